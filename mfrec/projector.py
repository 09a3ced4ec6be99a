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

from mfrec.data.interactions import Interactions
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
    order = np.argsort(-counts, kind="stable")[:MAX_ITEMS]
    rows = order[counts[order] > 0]
    line = "\t".join(["%.6g"] * item_embedding.shape[1])
    vectors = [line % tuple(vector) for vector in item_embedding[rows].tolist()]
    files = {
        "item_embedding.tsv": vectors,
        "metadata.tsv": _metadata(rows, train),
        "projector_config.pbtxt": _CONFIG.splitlines(),
    }
    for name, lines in files.items():
        with replacing(Path(folder) / name) as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _metadata(rows: np.ndarray, train: Interactions) -> list[str]:
    """A header and a line an item: what it is labelled, found and coloured by."""
    items = train.items
    counts = np.bincount(train.item_ids, minlength=train.num_items)
    sums = np.bincount(train.item_ids, train.ratings, minlength=train.num_items)
    genres = items.genres
    header = ["title", *(["genre", "genres"] if genres else []), "item_id"]
    lines = ["\t".join([*header, "num_ratings", "log10_ratings", "mean_rating"])]
    for row in rows.tolist():
        count = counts[row]
        cells = [items.label(row)]
        if genres:
            cells += [genres[row].split("|")[0], genres[row]]
        cells.append(items.raw_ids[row])
        # what splits lines or cells would shift all that follow
        cells = [" ".join(cell.split()) for cell in cells]
        lines.append(
            "\t".join([*cells, f"{count}", f"{np.log10(count):.3f}", f"{sums[row] / count:.4f}"])
        )
    return lines
