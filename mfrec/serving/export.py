"""Exports of a trained model: a SavedModel that answers requests by itself, or bare vectors.

    recommender = Recommender.load("runs/my-run")
    export.saved_model(recommender, "models/mfrec/1")
    export.npy(recommender, "vectors")

`saved_model` describes the signatures of the SavedModel, `vectors` the files of the other formats.
"""

from collections.abc import Callable
from pathlib import Path

from mfrec.serving.recommender import Recommender
from mfrec.serving.saved_model import saved_model
from mfrec.serving.vectors import faiss_index, npy, text

FORMATS: dict[str, Callable[[Recommender, str | Path, bool], None]] = {
    "savedmodel": saved_model,
    "npy": npy,
    "text": text,
    "faiss": faiss_index,
}
