"""The files of TensorBoard's projector: item embeddings with titles, genres and counts.

projector_config.pbtxt   names the two files below
item_embedding.tsv       one item a line
metadata.tsv             a header, then title, genre and numbers of each item

The projector looks into the folders that hold event files and reads only files beside its config.
They are text because the projector takes bytes that happen to decode for text, and because
projector.tensorflow.org opens text, too.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.files import replacing
from mfrec.terminal import visible

# A browser still turns this many points smoothly.
MAX_ITEMS = 10_000

_CONFIG = """\
embeddings {
  tensor_name: "item_embedding"
  tensor_path: "item_embedding.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write(folder: str | Path, item_embedding: np.ndarray, train: Interactions) -> None:
    """Write the three files for the most rated items, in that order.

    Args:
        folder: the folder; it has to hold an event file.
        item_embedding: float32 [num_items, width].
        train: the training ratings; items without any are left out.

    Raises:
        InputError: a file cannot be written.
    """
    counts, sums = train.item_counts, train.item_sums
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
    """Return a header and a line per item: by these it is labelled, found and coloured."""
    columns: dict[str, Iterable[str]] = {"title": [items.label(row) for row in range(len(items))]}
    if items.genres:
        columns["genre"] = [genres.split("|")[0] for genres in items.genres]
        columns["genres"] = items.genres
    columns["item_id"] = items.raw_ids
    columns["num_ratings"] = map(str, counts.tolist())
    columns["log10_ratings"] = map("{:.3f}".format, np.log10(counts).tolist())
    columns["mean_rating"] = map("{:.4f}".format, means.tolist())
    # a tab or line break inside a cell would shift all that follow
    cells = [[visible(" ".join(cell.split())) for cell in column] for column in columns.values()]
    return ["\t".join(columns), *map("\t".join, zip(*cells, strict=True))]
