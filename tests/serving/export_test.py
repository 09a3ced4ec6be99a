"""Exports: the SavedModel in a process without mfrec, and bare vectors."""

import json
import subprocess
import sys

import numpy as np
import pytest

import helpers
from mfrec import losses, models
from mfrec.config.settings import Config
from mfrec.data.interactions import Interactions
from mfrec.data.splits import SplitRecipe
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.runs.run_folder import RunFolder
from mfrec.serving import export
from mfrec.serving.recommender import Recommender
from mfrec.serving.vectors import write_text

NUM_USERS, NUM_ITEMS = 6, 40
USERS = ["ann", "Jörg", "ü ser", "u3", "u4", "u5"]
CONFIG = Config().replace(
    {
        **{"dataset": "toy", "loss": "logistic", "embedding_dim": 3, "use_bias": True},
        **{"normalize": False, "init_stddev": 0.1, "regularization": 0.1},
        **{"bias_regularization": 0.01, "frequency_exponent": 0.5, "positives_per_row": 1},
        "min_rating": 2.0,
    }
)


def make_run(path):
    """A run folder with a model of random tables, biases and all; items 7 and 8 are alike."""
    random = np.random.default_rng(0)
    pairs = random.permutation(NUM_USERS * NUM_ITEMS)[:60]
    user_ids, item_ids = np.divmod(pairs, NUM_ITEMS)
    # every row once, so that the vocabularies are whole and in order
    user_ids = np.concatenate([np.arange(NUM_ITEMS) % NUM_USERS, user_ids]).tolist()
    item_ids = np.concatenate([np.arange(NUM_ITEMS), item_ids]).tolist()
    data = Interactions.from_arrays(
        [USERS[user] for user in user_ids],
        [f"i {item}" for item in item_ids],
        random.integers(1, 6, len(user_ids)),
    )
    labels = {"i 0": "The first", "i 39": "The läst"}
    items = data.items.with_labels(labels)
    data = Interactions(data.user_ids, data.item_ids, data.ratings, None, data.users, items)
    split = SplitRecipe(data.take(range(90)), data.take(range(90, 100))).encode()
    model = models.build(CONFIG, losses.get("logistic"), (NUM_USERS, NUM_ITEMS))
    for table in (model.user_embedding, model.item_embedding, model.user_bias, model.item_bias):
        values = random.normal(size=table.shape)
        values[8:9] = values[7:8]
        table.assign(values)
    model.adapt(split.train)
    folder = RunFolder(path)
    folder.path.mkdir()
    folder.save_config(CONFIG, {})
    folder.save_data(split)
    folder.save_model(model, step=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the run folder `run`."""
    folder = tmp_path_factory.mktemp("place")
    make_run(folder / "run")
    return folder


@pytest.fixture(scope="module")
def recommender(place):
    return Recommender.load(place / "run")


def columns(instances):
    """The same request in the column format."""
    return {name: [instance[name] for instance in instances] for name in instances[0]}


EVERYBODY = [
    {"user_ids": user, "k": 1 + 12 * row, "exclude": exclude, "include": include}
    for row, (user, exclude, include) in enumerate(
        [
            ("ann", ["", ""], ["", "", ""]),
            ("Jörg", ["i 3", "i 7"], ["", "", ""]),
            ("ü ser", ["", "unheard of"], ["", "", ""]),
            ("u3", ["i 1", ""], ["i 1", "i 30", "i 31"]),
            ("u4", ["", ""], ["unheard of", "", ""]),
            ("nobody", ["i 2", ""], ["", "", ""]),
        ]
    )
]
HISTORIES = [
    {"history": history, "ratings": ratings, "k": 40, "exclude": ["i 5"], "include": []}
    for history, ratings in (
        (["i 3", "unheard of", "i 1"], [5, 1, 2]),
        (["i 8", "", ""], [4, 0, 0]),
        (["i 3", "i 1", "i 3"], [2, 2, 5]),
        (["i 3", "i 4", ""], [5, 1, 0]),
        (["unheard of", "", ""], [9, 0, 0]),
        (["i 8", "", ""], [1, 0, 0]),
    )
]
PAIRS = [("ann", "i 3"), ("Jörg", "unheard of"), ("nobody", "i 30"), ("nobody", "no item")]
REQUESTS = {
    "rows": {"signature_name": "recommend", "instances": EVERYBODY},
    "columns": {"signature_name": "recommend", "inputs": columns(EVERYBODY)},
    "without lists": {
        "signature_name": "recommend",
        "instances": [{"user_ids": "ann", "k": 1, "exclude": [], "include": []}],
    },
    "similar": {
        "signature_name": "similar_items",
        "instances": [{"item_ids": "i 7", "k": 100}, {"item_ids": "none", "k": 2}],
    },
    "histories": {"signature_name": "recommend_from_history", "instances": HISTORIES},
    "no history": {
        "signature_name": "recommend_from_history",
        "instances": [{**HISTORIES[0], "history": [], "ratings": []}],
    },
    "no number": {
        "signature_name": "recommend_from_history",
        "instances": [{**HISTORIES[0], "ratings": [1, 2, float("nan")]}],
    },
    "no such rating": {
        "signature_name": "recommend_from_history",
        "instances": [{**HISTORIES[0], "ratings": [5, 1, 6]}],
    },
    "scores": {
        "signature_name": "score",
        "inputs": {"user_ids": [u for u, _ in PAIRS], "item_ids": [i for _, i in PAIRS]},
    },
    "k = 0": {"signature_name": "recommend", "instances": [{**EVERYBODY[0], "k": 0}]},
    "ragged": {
        "signature_name": "recommend",
        "instances": [EVERYBODY[0], {**EVERYBODY[1], "exclude": [""]}],
    },
    "incomplete": {"signature_name": "similar_items", "instances": [{"item_ids": "i 1"}]},
}


@pytest.fixture(scope="module")
def answers(place):
    """What the SavedModel answers to REQUESTS in a process without mfrec."""
    code, out, err = helpers.run_script(
        place, "export.py", "--run_dir=run", "--output_dir=models/mfrec/1"
    )
    assert (code, err) == (0, "") and out == "models/mfrec/1: 6 users, 40 items\n"
    done = subprocess.run(
        [sys.executable, "-I", helpers.ROOT / "tests" / "serving.py", "models/mfrec/1"],
        input=json.dumps(list(REQUESTS.values())),
        capture_output=True,
        text=True,
        cwd=place,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(REQUESTS, json.loads(done.stdout), strict=True))


def listed(prediction):
    """The part of a row that is not filling."""
    length = sum(item != "" for item in prediction["item_ids"])
    filling = {"item_ids": "", "labels": "", "scores": 0}
    for name, value in filling.items():
        assert set(prediction[name][length:]) <= {value}
    return [prediction[name][:length] for name in filling]


def as_columns(found, rel=1e-5, abs=1e-6):
    return [
        [row.item for row in found],
        [row.label for row in found],
        pytest.approx([row.score for row in found], rel, abs),
    ]


def test_lists_are_those_of_the_recommender(answers, recommender):
    predictions = answers["rows"]["predictions"]
    for request, prediction in zip(EVERYBODY, predictions, strict=True):
        wanted = [item for item in request["include"] if item]
        # the recommender refuses to choose among unknown items alone
        expected = (
            []
            if wanted == ["unheard of"]
            else recommender.recommend(
                request["user_ids"],
                request["k"],
                exclude=request["exclude"],
                candidates=wanted or None,
                on_unknown="popular",
            )
        )
        assert listed(prediction) == as_columns(expected)
        assert prediction["known"] == (request["user_ids"] != "nobody")
        # k of the last row is 61, the catalogue has 40
        assert len(prediction["item_ids"]) == 40
    assert [len(listed(prediction)[0]) for prediction in predictions[:1]] == [1]
    assert len(listed(predictions[3])[0]) <= 2 and len(listed(predictions[5])[0]) == 39


def test_the_best_item_is_the_best_unseen_one(answers, place, recommender):
    model = recommender.model
    scores = model.item_embedding.numpy() @ model.user_embedding.numpy()[0]
    scores += model.item_bias.numpy() + model.user_bias.numpy()[0] + model.global_bias.numpy()
    for part in RunFolder(place / "run").load_data().values():
        scores[part.item_ids[part.user_ids == 0]] = -np.inf
    (best,) = answers["without lists"]["predictions"]
    assert best["item_ids"] == [recommender.items.raw_ids[scores.argmax()]]
    assert best["scores"] == pytest.approx([scores.max()], rel=1e-5)
    assert best["known"] is True


def test_both_formats_answer_alike(answers):
    assert columns(answers["rows"]["predictions"]) == answers["columns"]["outputs"]


def test_similar_items(answers, recommender):
    found, stranger = answers["similar"]["predictions"]
    assert listed(found) == as_columns(recommender.similar_items("i 7", k=100))
    assert len(listed(found)[0]) == 39 and found["item_ids"][0] == "i 8"
    assert found["scores"][0] == pytest.approx(1)
    assert listed(stranger) == [[], [], []]
    assert [found["known"], stranger["known"]] == [True, False]


def test_histories_are_folded_in_and_left_out(answers, recommender):
    predictions = answers["histories"]["predictions"]
    for request, prediction in zip(HISTORIES[:4], predictions, strict=False):
        rated = zip(request["history"], request["ratings"], strict=True)
        items, ratings = zip(*(pair for pair in rated if pair[0]), strict=True)
        expected = recommender.recommend_from_history(
            items, ratings, 40, exclude=["i 5"], on_unknown="skip"
        )
        # from step to step down a gradient the rounding of another order of sums grows
        assert listed(prediction) == as_columns(expected, abs=2e-3)
        assert prediction["known"] is True
    # left out, though it is rated too low to count
    assert "i 4" not in predictions[3]["item_ids"]


def test_a_history_in_which_nothing_counts_gets_popular_ones(answers, recommender):
    expected = recommender.recommend("nobody", 40, exclude=["i 5"], on_unknown="popular")
    (empty,) = answers["no history"]["predictions"]
    unknown, disliked = answers["histories"]["predictions"][4:]
    for prediction in (empty, unknown):
        assert listed(prediction) == as_columns(expected)
        assert prediction["known"] is False
    assert listed(disliked)[0] == [item for item in listed(empty)[0] if item != "i 8"]


def test_scores_are_ratings_where_the_loss_has_some(answers, recommender):
    outputs = answers["scores"]["outputs"]
    expected = [recommender.predict(user, item, fall_back=True) for user, item in PAIRS]
    assert outputs["scores"] == pytest.approx(expected, rel=1e-5)
    # an unknown user and item leave μ, the mean rating through the link and back
    mean = recommender.train.ratings.mean()
    assert outputs["scores"][3] == pytest.approx(mean, rel=1e-5)
    assert outputs["known_users"] == [True, True, False, False]
    assert outputs["known_items"] == [True, False, True, False]


def test_wrong_requests_are_told(answers):
    assert "k: ask for at least 1" in answers["k = 0"]["error"]
    for request in ("no number", "no such rating"):
        assert "ratings: they are from 1 to 5" in answers[request]["error"]
    assert "different lengths" in answers["ragged"]["error"]
    assert "keys must be equal to item_ids,k" in answers["incomplete"]["error"]


def test_a_loss_that_runs_python_is_refused(tmp_path, recommender):
    def called_back(ratings, predictions):
        losses = tf.py_function(tf.subtract, [ratings, predictions], tf.float32)
        return tf.reshape(losses, tf.shape(ratings))

    parts = recommender.model, losses.get(called_back), recommender.config, recommender.train
    with pytest.raises(InputError, match="the loss 'called_back' runs Python"):
        export.saved_model(Recommender(*parts), tmp_path / "model")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------- bare vectors


def test_arrays_score_as_the_model_does(tmp_path, recommender):
    export.npy(recommender, tmp_path / "vectors")
    users, items, bias = (
        np.load(tmp_path / "vectors" / f"{name}.npy")
        for name in ("user_vectors", "item_vectors", "global_bias")
    )
    assert users.dtype == items.dtype == bias.dtype == np.float32
    expected = recommender.model.score_catalogue(np.arange(NUM_USERS, dtype=np.int32)).numpy()
    np.testing.assert_allclose(bias + users @ items.T, expected, rtol=1e-5, atol=1e-6)
    for name in ("users", "items"):
        saved = Vocabulary.load(tmp_path / "vectors" / f"{name}.tsv")
        assert saved == getattr(recommender, name)


def test_text_gives_back_every_number_and_id(tmp_path, recommender):
    export.text(recommender, tmp_path / "vectors")
    for name, vocabulary, vectors in (
        ("user", recommender.users, recommender.model.user_vectors()),
        ("item", recommender.items, recommender.model.item_vectors()),
    ):
        first, *lines = (
            (tmp_path / "vectors" / f"{name}_vectors.txt").read_text("utf-8").split("\n")
        )
        assert first == f"{len(vocabulary)} 5" and lines.pop() == ""
        fields = [line.split(" ") for line in lines]
        found = np.array([numbers for _, *numbers in fields], np.float32)
        assert (found == vectors.numpy()).all()
        names = [name.replace("%20", " ") for name, *_ in fields]
        assert names == list(vocabulary.raw_ids)


def test_ids_with_white_space_and_percent_signs_stay_apart(tmp_path):
    path = tmp_path / "vectors.txt"
    write_text(path, Vocabulary(("a b", "a%20b", "a\u00a0b")), np.zeros((3, 1), np.float32))
    assert path.read_text("utf-8") == "3 1\na%20b 0.0\na%2520b 0.0\na%C2%A0b 0.0\n"


def test_an_index_of_the_items_lies_beside_the_arrays(tmp_path, recommender, capsys):
    faiss = pytest.importorskip("faiss")
    export.faiss_index(recommender, tmp_path / "vectors")
    index = faiss.read_index(str(tmp_path / "vectors" / "index.faiss"))
    users, items = (
        np.load(tmp_path / "vectors" / f"{side}_vectors.npy") for side in ("user", "item")
    )
    scores, rows = index.search(users, NUM_ITEMS)
    # one cell alone, as there are few items: the search is exact
    exact = users @ items.T
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1), rtol=1e-5)
    np.testing.assert_allclose(scores, np.take_along_axis(exact, rows, axis=1), rtol=1e-5)
    assert "recall@10 1.0000 against exact search" in capsys.readouterr().err


# ---------------------------------------------------------------------------- bad input


def refused(place, *flags):
    code, out, err = helpers.run_script(place, "export.py", *flags)
    assert (code, out) == (2, "") and err.count("\n") == 1
    return err.removeprefix("export.py: ").strip()


def test_an_earlier_export_is_replaced_only_if_asked_for(place, recommender):
    flags = ["--run_dir=run", "--output_dir=again", "--format=npy"]
    code, *_ = helpers.run_script(place, "export.py", *flags)
    assert code == 0
    assert refused(place, *flags) == "again exists; name another --output_dir or add --overwrite"
    flags[2] = "--format=text"
    code, *_ = helpers.run_script(place, "export.py", *flags, "--overwrite")
    names = {path.name for path in (place / "again").iterdir()}
    assert code == 0 and names == {"user_vectors.txt", "item_vectors.txt"}
    assert not list(place.glob(".*"))


def test_what_is_no_export_is_never_replaced(place):
    (place / "mine").mkdir(exist_ok=True)
    (place / "mine" / "diary").write_text("dear")
    message = refused(place, "--run_dir=run", "--output_dir=mine", "--overwrite")
    assert message == "mine holds diary, so --overwrite leaves it alone"
    message = refused(place, "--run_dir=run", "--output_dir=mine/diary", "--overwrite")
    assert message == "mine/diary is no folder; name another --output_dir"
    assert (place / "mine" / "diary").read_text() == "dear"


def test_runs_that_cannot_be_exported(place, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_config(CONFIG, {})
    message = refused(place, f"--run_dir={tmp_path}", "--output_dir=new")
    assert message == f"{tmp_path} holds no checkpoint; the run has saved none yet"
    assert not (place / "new").exists()


def test_an_index_without_faiss(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.delitem(sys.modules, "mfrec.serving.ann", raising=False)
    monkeypatch.delattr("mfrec.serving.ann", raising=False)
    message = refused(place, "--run_dir=run", "--output_dir=new", "--format=faiss")
    assert message == "an index needs faiss: pip install 'mfrec[ann]'"


def test_a_diverged_model_is_refused(tmp_path, place):
    recommender = Recommender.load(place / "run")
    recommender.model.item_bias.assign(np.full(NUM_ITEMS, np.nan))
    with pytest.raises(InputError, match="the model has diverged"):
        export.saved_model(recommender, tmp_path / "model")
    assert not list(tmp_path.iterdir())
