"""mfrec: recommending by matrix factorization in TensorFlow.

Importing the package loads nothing heavy; its names load their modules when first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Evaluator": "mfrec.evaluation",
    "FoldIn": "mfrec.fold_in",
    "InputError": "mfrec.errors",
    "Interactions": "mfrec.data.interactions",
    "MatrixFactorization": "mfrec.model",
    "ModelConfig": "mfrec.config",
    "OptimizerConfig": "mfrec.config",
    "RankingEvaluator": "mfrec.ranking_evaluation",
    "Recommender": "mfrec.recommender",
    "Trainer": "mfrec.training",
    "TrainingConfig": "mfrec.config",
    "Vocabulary": "mfrec.data.interactions",
    "export": "mfrec",
    "losses": "mfrec",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mfrec' has no attribute '{name}'")
    if _HOMES[name] == "mfrec":
        return importlib.import_module(f"mfrec.{name}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
