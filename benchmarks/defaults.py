"""Plain defaults on rating sets that nobody tuned for, beside Surprise's and damped biases.

    pip install -e '.[benchmarks]'
    python benchmarks/defaults.py --data_dir=../shared/data

Every set is split 80/20 at random (MovieTweetings 90/10); train.py gets the two parts as files,
with no flag that touches the model, so epochs and all else are fixed in advance. Surprise's SVD
with its defaults, and the damped biases of mfrec's own table, see the same parts. Synthetic
sets cover scales, sizes and strengths of signal that the real ones do not.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import app, flags

from mfrec.data import datasets, splitters
from mfrec.data.interactions import Interactions
from mfrec.data.readers import read_ratings
from mfrec.data.splits import Split

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets")
ONLY = flags.DEFINE_string("only", "", "only the sets whose name holds this text")
ROOT = Path(__file__).resolve().parent.parent


def movielens_100k(data_dir: Path) -> Interactions:
    """Ratings 1 to 5."""
    return datasets.load("movielens-100k", data_dir)


def movielens_100k_on_plus_minus_10(data_dir: Path) -> Interactions:
    """The same, mapped onto -10 to 10."""
    ratings = movielens_100k(data_dir)
    return rerated(ratings, (ratings.ratings - 3) * 5)


def movielens_1m(data_dir: Path) -> Interactions:
    """Ratings 1 to 5."""
    return datasets.load("movielens-1m", data_dir)


def movielens_1m_sample(size: int) -> Callable[[Path], Interactions]:
    """So many ratings of MovieLens 1M, drawn at random."""

    def sample(data_dir: Path) -> Interactions:
        ratings = movielens_1m(data_dir)
        chosen = np.random.default_rng(size).choice(len(ratings), size, replace=False)
        return ratings.take(np.sort(chosen)).compact()

    return sample


def half_stars(data_dir: Path) -> Interactions:
    """300,000 ratings of MovieLens 1M, blurred and rounded to half stars 0.5 to 5."""
    ratings = movielens_1m_sample(300_000)(data_dir)
    blurred = ratings.ratings + np.random.default_rng(1).normal(0, 0.3, len(ratings))
    return rerated(ratings, np.clip(np.round(blurred * 2) / 2, 0.5, 5))


def movietweetings(data_dir: Path) -> Interactions:
    """Ratings 0 to 10, few a user."""
    return read_ratings(data_dir / "movietweetings-100k" / "ratings.dat")


def planted(
    size: int, rows: tuple[int, int], signal: float, noise: float, scale: tuple[float, float, float]
) -> Callable[[Path], Interactions]:
    """Biases of standard deviation 0.4 each, a rank-8 signal, noise, all in units of `scale`.

    Args:
        size: ratings.
        rows: users and items; both are drawn with skewed popularity.
        signal: standard deviation of the inner products.
        noise: standard deviation of the noise.
        scale: lowest and highest rating and the step between ratings; 0 for continuous ones.
    """

    def generate(_: Path) -> Interactions:
        generator = np.random.default_rng(size)
        users, items = (
            np.minimum((count * generator.random(size) ** 1.6).astype(np.int64), count - 1)
            for count in rows
        )
        factors = [generator.standard_normal((count, 8), np.float32) for count in rows]
        biases = [generator.normal(0, 0.4, count) for count in rows]
        score = biases[0][users] + biases[1][items]
        score += signal / np.sqrt(8) * np.einsum("nd,nd->n", factors[0][users], factors[1][items])
        low, high, step = scale
        ratings = (low + high) / 2 + (score + generator.normal(0, noise, size)) * (high - low) / 4
        if step:
            ratings = low + np.round((ratings - low) / step) * step
        return Interactions.from_arrays(users, items, np.clip(ratings, low, high))

    return generate


SETS: dict[str, Callable[[Path], Interactions]] = {
    "movielens-100k": movielens_100k,
    "movielens-100k, -10..10": movielens_100k_on_plus_minus_10,
    "movielens-1m": movielens_1m,
    "movielens-1m, 5,000 ratings": movielens_1m_sample(5_000),
    "movielens-1m, 20,000 ratings": movielens_1m_sample(20_000),
    "movielens-1m, 200,000 ratings": movielens_1m_sample(200_000),
    "half stars, 300,000 ratings": half_stars,
    "movietweetings-100k, 0..10": movietweetings,
    "planted, -10..10, continuous": planted(300_000, (5000, 100), 0.7, 0.8, (-10, 10, 0)),
    "planted, sparse, weak signal": planted(100_000, (20_000, 15_000), 0.2, 0.9, (1, 5, 1)),
    "planted, biases only": planted(50_000, (1000, 800), 0.0, 0.9, (1, 5, 1)),
    "planted, 5,000 ratings, 0..10": planted(5_000, (300, 200), 0.4, 0.6, (0, 10, 1)),
    "planted, 10 M ratings": planted(10_000_000, (70_000, 10_000), 0.5, 0.8, (0.5, 5, 0.5)),
}


def rerated(interactions: Interactions, ratings: np.ndarray) -> Interactions:
    """The same pairs with other ratings."""
    return Interactions(
        interactions.user_ids,
        interactions.item_ids,
        ratings.astype(np.float32),
        None,
        interactions.users,
        interactions.items,
    )


def write(path: Path, part: Interactions) -> None:
    """The part as a text file that train.py reads."""
    columns = (part.user_ids, part.item_ids, part.ratings)
    np.savetxt(
        path, np.stack(columns, axis=1), "%d\t%d\t%.7g", header="user\titem\trating", comments=""
    )


def mfrec(split: Split) -> dict[str, float]:
    """Test RMSE of train.py's defaults and of its damped biases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("train", "test"):
            write(folder / part, split.raw[part])
        command = [sys.executable, str(ROOT / "train.py"), f"--run_dir={folder / 'run'}"]
        command += [f"--train_ratings={folder / 'train'}", f"--test_ratings={folder / 'test'}"]
        subprocess.run(command, check=True, capture_output=True)
        results = json.loads((folder / "run" / "results.json").read_text(encoding="utf-8"))
    return {
        "mfrec": results["metrics"]["test"]["rmse"],
        "biases": results["baselines"]["biases"]["rmse"],
    }


def surprise(split: Split) -> float | None:
    """Test RMSE of Surprise's SVD with its defaults, mean of three seeds; None if not installed."""
    try:
        from surprise import SVD, Dataset, Reader
    except ImportError:
        return None
    train, test = split.train, split.test
    low, high = float(train.ratings.min()), float(train.ratings.max())
    rows = zip(
        train.user_ids.tolist(), train.item_ids.tolist(), train.ratings.tolist(), strict=True
    )
    data = Dataset(Reader(rating_scale=(low, high)))
    trainset = data.construct_trainset([(u, i, r, None) for u, i, r in rows])
    scores = []
    for seed in range(3 if len(train) < 2_000_000 else 1):
        svd = SVD(random_state=seed).fit(trainset)
        # rows by raw id, with zeros behind the last for ids that training lacks
        users = np.array([trainset.to_inner_uid(u) for u in range(train.num_users)] + [-1])
        items = np.array([trainset.to_inner_iid(i) for i in range(train.num_items)] + [-1])
        factors = [np.vstack([table, np.zeros(table.shape[1])]) for table in (svd.pu, svd.qi)]
        biases = [np.append(bias, 0) for bias in (svd.bu, svd.bi)]
        u, i = users[test.user_ids], items[test.item_ids]
        predictions = trainset.global_mean + biases[0][u] + biases[1][i]
        predictions += np.einsum("nd,nd->n", factors[0][u], factors[1][i])
        errors = np.clip(predictions, low, high) - test.ratings
        scores.append(np.sqrt(np.mean(errors**2)))
    return float(np.mean(scores))


def main(_: list[str]) -> None:
    data_dir = Path(DATA_DIR.value or datasets.default_data_dir())
    print(f"{'test RMSE':<32}{'mfrec':>9}{'Surprise':>10}{'biases':>9}")
    for name, load in SETS.items():
        if ONLY.value not in name:
            continue
        fraction = 0.1 if name.startswith("movietweetings") else 0.2
        fractions = {"validation_fraction": 0.0, "test_fraction": fraction}
        split = splitters.cut(load(data_dir), "random", **fractions).encode()
        ours, theirs = mfrec(split), surprise(split)
        best = min(filter(None, (ours["biases"], theirs)))
        print(
            f"{name:<32}{ours['mfrec']:9.4f}"
            + (f"{theirs:10.4f}" if theirs else "         -")
            + f"{ours['biases']:9.4f}  {100 * (ours['mfrec'] / best - 1):+.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    app.run(main)
