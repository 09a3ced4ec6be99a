"""mfrec: recommending by matrix factorization in TensorFlow.

Importing the package loads nothing heavy; its names load their modules when first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Config": "mfrec.config.settings",
    "FoldIn": "mfrec.training.fold_in",
    "InputError": "mfrec.errors",
    "Interactions": "mfrec.data.interactions",
    "MatrixFactorization": "mfrec.models.matrix_factorization",
    "RankingEvaluator": "mfrec.evaluation.rankings",
    "RatingEvaluator": "mfrec.evaluation.ratings",
    "Recommender": "mfrec.serving.recommender",
    "RegularizerConfig": "mfrec.config.settings",
    "SamplerConfig": "mfrec.config.settings",
    "Trainer": "mfrec.experiment.notebook",
    "Vocabulary": "mfrec.data.vocabulary",
    "read_ratings": "mfrec.data.readers",
    "train": "mfrec.experiment.notebook",
}
# the settings, all and by section
_SETTINGS = (
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PositivesConfig",
    "RegularizerConfig",
    "SamplerConfig",
    "SplitConfig",
    "TrainingConfig",
)
_HOMES |= dict.fromkeys(_SETTINGS, "mfrec.config.settings")
_MODULES = {
    "export": "mfrec.serving.export",
    "losses": "mfrec.losses",
    "metrics": "mfrec.evaluation.metrics",
    "models": "mfrec.models",
    "samplers": "mfrec.training.samplers",
    "splitters": "mfrec.data.splitters",
}
__all__ = sorted([*_HOMES, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'mfrec' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
