"""Evaluates models on one held-out part: errors of predicted ratings, and rankings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mfrec.config.parsing import parse_cutoffs
from mfrec.config.settings import Config
from mfrec.data.interactions import UNKNOWN
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.splits import Split
from mfrec.evaluation.metrics import load as load_metrics
from mfrec.evaluation.rankings import RankingEvaluator, RankingResult
from mfrec.evaluation.ratings import RatingEvaluator
from mfrec.losses import Loss
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.terminal import exact
from mfrec.training.fold_in import FoldIn


@dataclass(frozen=True, eq=False)
class Measurement:
    """Metrics, baselines, intervals and warnings on one part.

    Attributes:
        metrics: by name, in the order in which they are printed.
        baselines: metrics of methods without training, by name.
        intervals: 95 % bootstrap intervals over users, of the ranking metrics.
        counts: users and items that were ranked.
        warnings: a line for each suspicious finding.
        ranking: the rankings user by user; None if nothing was ranked.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    ranking: RankingResult | None = None


class PartEvaluator:
    """Evaluates models on one held-out part of a split.

    Args:
        config: the settings, resolved.
        loss: what the models are trained on.
        split: the split; at test time the items of its validation part are masked as well.
        part: "validation" or "test".
        workers: who measure together.

    Attributes:
        protocol: what the latest metrics mean, a line each for errors and rankings.
    """

    def __init__(
        self,
        config: Config,
        loss: Loss,
        split: Split,
        part: str,
        workers: OneProcess = ONE_PROCESS,
    ) -> None:
        load_metrics(config.evaluation.metrics or "")
        self._held_out = split.validation if part == "validation" else split.test
        self._errors: RatingEvaluator | None = None
        self._rankings: RankingEvaluator | None = None
        self._fold_in: FoldIn | None = None
        self._config, self._loss, self._train = config, loss, split.train
        self._history = split.histories.get(part)
        self.protocol = ""
        if loss.predicts_ratings:
            self._errors = RatingEvaluator(split.train, workers)
        cutoffs = parse_cutoffs(config.evaluation.cutoffs or "")
        if cutoffs:
            history = self._history
            held_out_items = None
            if split.ranks_held_out_items:
                known = self._held_out.item_ids != UNKNOWN
                held_out_items = np.unique(self._held_out.item_ids[known])
            self._rankings = RankingEvaluator(
                split.train if history is None else history,
                popularity=None if history is None else split.train,
                candidate_items=held_out_items,
                seen=split.validation if part == "test" and history is None else None,
                cutoffs=cutoffs,
                mask_seen=config.evaluation.mask_seen,
                candidates=split.candidates if part == "test" else None,
                seed=config.training.seed,
                workers=workers,
                jit_compile=config.training.jit_compile,
            )

    def metrics(self, model: MatrixFactorization) -> dict[str, float]:
        """Return the model's metrics alone."""
        return self._evaluate(model)[0]

    def measure(self, model: MatrixFactorization) -> Measurement:
        """Return metrics, baselines, intervals and warnings on this part."""
        metrics, ranking = self._evaluate(model)
        baselines = {}
        if self._errors:
            baselines = self._errors.baselines(self._held_out)
        if ranking is None:
            return Measurement(metrics, baselines)
        others = self._rankings.baselines(self._held_out)
        return Measurement(
            metrics,
            baselines | {name: result.metrics for name, result in others.items()},
            ranking.intervals,
            ranking.counts,
            ranking.warnings + ranking.below(others["popularity"]),
            ranking,
        )

    def model_for_part(self, model: MatrixFactorization) -> MatrixFactorization:
        """Return the model whose users are the part's.

        That is the model itself or, if the part's users are held out of training, one with these
        folded in.

        Args:
            model: the same one in every call.
        """
        if self._history is None:
            return model
        if self._fold_in is None:
            self._fold_in = FoldIn(model, self._loss, self._config, self._train)
        return self._fold_in.model_of(self._history)

    def _evaluate(
        self, model: MatrixFactorization
    ) -> tuple[dict[str, float], RankingResult | None]:
        model = self.model_for_part(model)
        metrics: dict[str, float] = {}
        ranking, protocols = None, []
        if self._errors:
            metrics |= self._errors.evaluate(model, self._held_out)
            protocols.append(_error_protocol(model))
        if self._rankings:
            ranking = self._rankings.evaluate(model.score_catalogue, self._held_out)
            metrics |= ranking.metrics
            protocols.append(ranking.protocol)
        if self._history is not None:
            protocols.append(
                f"strong generalization: {self._history.num_users:,} users held out of training, "
                "folded in from part of their items"
            )
        self.protocol = "\n".join(protocols)
        return metrics, ranking


def _error_protocol(model: MatrixFactorization) -> str:
    low, high = model.rating_range.numpy()
    clipped = (
        f"clipped to [{exact(low)}, {exact(high)}]" if model.clip_predictions else "not clipped"
    )
    return f"errors over every held-out rating; ids unknown to training fall back; {clipped}"
