"""Exports of bare vectors: numpy arrays, the text format of word2vec, an index for faiss.

The vectors have the biases folded in: μ + <user_vector, item_vector> is the score.
"""

import re
import urllib.parse
from pathlib import Path

import numpy as np

from mfrec.data.values import as_flag
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError
from mfrec.files import new_folder
from mfrec.progress import say
from mfrec.serving.recommender import Recommender, finite

# Everything that an export may consist of; a folder with anything else in it is never replaced.
FILES = (
    "saved_model.pb",
    "fingerprint.pb",
    "variables",
    "assets",
    "user_vectors.npy",
    "item_vectors.npy",
    "global_bias.npy",
    "users.tsv",
    "items.tsv",
    "user_vectors.txt",
    "item_vectors.txt",
    "index.faiss",
)


def npy(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Write the vectors as numpy arrays; users.tsv and items.tsv name the rows.

    user_vectors.npy float32 [num_users, dim], item_vectors.npy float32 [num_items, dim],
    global_bias.npy float32 [], and one `raw_id<TAB>label` line per row (see Vocabulary.save).

    Args:
        recommender: its model's vectors are written.
        folder: the folder to write.
        overwrite: whether an earlier export there may be replaced.

    Raises:
        InputError: the folder exists, or cannot be written; or the model has no vectors, or
            has diverged.
    """
    with new_folder(folder, as_flag(overwrite, "overwrite"), FILES) as path:
        _write_arrays(recommender, path)


def text(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Write the vectors in the text format of word2vec, which most vector tools read.

    user_vectors.txt and item_vectors.txt: a line `rows dim`, then one `raw_id v1 v2 …` line per
    row, with digits enough to restore every float32. The format ends an id at the first space, so
    white space and % in raw ids are percent-encoded: %20, %25.

    Args and errors are those of `npy`.
    """
    with new_folder(folder, as_flag(overwrite, "overwrite"), FILES) as path:
        users, items = both_sides(recommender)
        write_text(path / "user_vectors.txt", recommender.users, users)
        write_text(path / "item_vectors.txt", recommender.items, items)


def faiss_index(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Write what `npy` writes and index.faiss, of the item vectors; print the index's recall.

    Args and errors are those of `npy`; an InputError as well where faiss is not installed.
    """
    from mfrec.serving import ann

    with new_folder(folder, as_flag(overwrite, "overwrite"), FILES) as path:
        users, items = _write_arrays(recommender, path)
        index, quality = ann.build(items, users)
        say(f"index.faiss: {quality}")
        ann.faiss.serialize_index(index).tofile(path / "index.faiss")


def both_sides(recommender: Recommender) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of all users and of all items, float32 [rows, dim]."""
    model = recommender.model
    if not model.has_vectors:
        raise InputError(
            f"model '{model.name}' has no vectors to export; take --format=savedmodel, or a model "
            "with vectors, such as --model=matrix_factorization"
        )
    return finite(model.user_vectors()).numpy(), finite(model.item_vectors()).numpy()


def write_text(path: Path, vocabulary: Vocabulary, vectors: np.ndarray) -> None:
    """Write one file of `text`."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.shape[1]}\n")
        for raw_id, vector in zip(vocabulary.raw_ids, vectors, strict=True):
            name = re.sub(r"[\s%]", lambda found: urllib.parse.quote(found[0]), raw_id)
            file.write(f"{name} {' '.join(vector.astype(str))}\n")


def _write_arrays(recommender: Recommender, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the files of `npy`; return the vectors of users and items."""
    users, items = both_sides(recommender)
    np.save(path / "user_vectors.npy", users)
    np.save(path / "item_vectors.npy", items)
    np.save(path / "global_bias.npy", recommender.model.global_bias.numpy())
    recommender.users.save(path / "users.tsv")
    recommender.items.save(path / "items.tsv")
    return users, items
