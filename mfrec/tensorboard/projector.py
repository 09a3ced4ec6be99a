"""The files of TensorBoard's projector: item embeddings with what is known of the items.

projector_config.pbtxt   names the two files below
item_embedding.tsv       one item a line
metadata.tsv             a header, then title, genre and numbers of each

The projector looks into the folders that hold event files and reads only what lies beside its
config. Text rather than bytes, because it takes for text whatever bytes decode as such, and because
projector.tensorflow.org opens it, too.
"""

from pathlib import Path

import numpy as np

from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.files import replacing

# What a browser still turns smoothly.
MAX_ITEMS = 10_000

_CONFIG = """\
embeddings {
  tensor_name: "item_embedding"
  tensor_path: "item_embedding.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write(folder: str | Path, item_embedding: np.ndarray, train: Interactions) -> None:
    """Writes the three files for the most rated items, in that order.

    Args:
        folder: where; it has to hold an event file.
        item_embedding: float32 [num_items, embedding_dim].
        train: the training ratings; items that none of them rates are left out.

    Raises:
        InputError: a file cannot be written.
    """
    counts = np.bincount(train.item_ids, minlength=train.num_items)
    sums = np.bincount(train.item_ids, train.ratings, minlength=train.num_items)
    order = np.argsort(-counts, kind="stable")[:MAX_ITEMS]
    rows = order[counts[order] > 0]
    line = "\t".join(["%.6g"] * item_embedding.shape[1])
    files = {
        "item_embedding.tsv": [line % tuple(row) for row in item_embedding[rows].tolist()],
        "metadata.tsv": _metadata(train.items.take(rows), counts[rows], sums[rows] / counts[rows]),
        "projector_config.pbtxt": _CONFIG.splitlines(),
    }
    for name, lines in files.items():
        with replacing(Path(folder) / name) as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _metadata(items: Vocabulary, counts: np.ndarray, means: np.ndarray) -> list[str]:
    """A header and a line an item: what it is labelled, found and coloured by."""
    columns = {"title": [items.label(row) for row in range(len(items))]}
    if items.genres:
        columns["genre"] = [genres.split("|")[0] for genres in items.genres]
        columns["genres"] = items.genres
    columns["item_id"] = items.raw_ids
    columns["num_ratings"] = map(str, counts.tolist())
    columns["log10_ratings"] = map("{:.3f}".format, np.log10(counts).tolist())
    columns["mean_rating"] = map("{:.4f}".format, means.tolist())
    # what splits lines or cells would shift all that follow
    lines = zip(
        *([" ".join(cell.split()) for cell in cells] for cells in columns.values()), strict=True
    )
    return ["\t".join(columns), *map("\t".join, lines)]
