"""What a person reads: progress on standard error while training, a table at the end."""

import math
import sys
from collections.abc import Mapping
from typing import Any

from mfrec.config.settings import Config, settings
from mfrec.evaluation.metrics import ERRORS, SHOWN
from mfrec.evaluation.significance import Comparison
from mfrec.progress import Progress
from mfrec.training.trainer import EpochLog, LoopLog

_NAMES = {"biases": "damped biases", "global_mean": "global mean"}


class TrainingReport:
    """A progress bar on a terminal, one plain line an epoch elsewhere; a context manager."""

    def __init__(self) -> None:
        self._progress = Progress("compiling the training loop …")
        self._is_training = False
        self._measured = ""

    def __enter__(self) -> "TrainingReport":
        self._progress.update(0)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._progress.__exit__(*exception)

    def loop(self, log: LoopLog) -> None:
        """Moves the bar."""
        if not self._is_training:
            self._progress = Progress("training", log.loops_in_all)
            self._is_training = True
        parts = [f"epoch {log.epoch}", f"loss {log.loss:.4f}", self._measured]
        parts.append(f"{_speed(log.examples_per_second)}/s")
        self._progress.update(log.loops_done, "  ".join(filter(None, parts)))

    def epoch(self, log: EpochLog) -> None:
        """Prints the epoch's line where standard error is no terminal."""
        if log.validation:
            self._measured = f"{log.metric.upper()} {log.validation[log.metric]:.4f}"
        if sys.stderr.isatty():
            return
        measured = f"  validation {self._measured}" if log.validation else ""
        best = " *" if log.validation and log.is_best else ""
        print(
            f"epoch {log.epoch:>{len(str(log.epochs))}}/{log.epochs}"
            f"  loss {log.train['loss']:.4f}{measured}"
            f"  {_speed(log.train['examples_per_second'])} examples/s"
            f"  {log.seconds:.1f} s{best}",
            file=sys.stderr,
        )


def table(results: dict[str, Any], part: str = "test") -> str:
    """Metrics of one part, model beside baselines, as text.

    Args:
        results: the object of results.json.
        part: "test", "validation" or "test_best_epoch".
    """
    stopped = results.get("stopped")
    notes = [f"training was stopped {stopped}"] if stopped else []
    if part == "test_best_epoch":
        epoch = results["metrics"][part]["epoch"]
        notes.append(f"optimistic: of epoch {epoch:g}, the best on this very test part")
    lines = [_table({f"mfrec {results['model']}": results}, part, notes)]
    intervals = results["intervals"].get(part, {})
    shown = [name for name in _columns(results["metrics"][part]) if name in intervals]
    if shown:
        ranges = (
            f"{name.upper()} {low:.4f}–{high:.4f}"
            for name in shown
            for low, high in [intervals[name]]
        )
        lines.append(f"95 % intervals over users: {', '.join(ranges)}")
    if part == "test":
        lines += [f"warning: {warning}" for warning in results["warnings"]]
    return "\n".join(lines)


def comparison(
    runs: Mapping[str, dict[str, Any]], configs: Mapping[str, Config], part: str = "test"
) -> str:
    """Metrics of several runs side by side, from worst to best, as text.

    Only what was measured on the same rows in the same way shares a table.

    Args:
        runs: the objects of results.json, by run folder.
        configs: the runs' settings; those in which the runs of a table differ stand below it.
        part: "test" or "validation".
    """
    groups: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for name, results in runs.items():
        alike = (_heading(results, part), results["held_out"][part], str(results["baselines"]))
        groups.setdefault(alike, {})[name] = results
    blocks, headings = [], set()
    for (heading, *_), group in groups.items():
        width = max(map(len, group))
        notes = [
            f"{name}: training was stopped {results['stopped']}"
            for name, results in group.items()
            if "stopped" in results
        ]
        if heading in headings:
            notes.insert(0, "on other ratings than the table of this heading above")
        headings.add(heading)
        rows = {f"{name:<{width}}  {results['model']}": results for name, results in group.items()}
        blocks.append(_table(rows, part, notes))
        differences = _differences({name: configs[name] for name in group})
        if differences:
            lines = (f"{name:<{width}}  {settings}" for name, settings in differences.items())
            blocks.append("\n".join(["settings that differ:", *lines]))
    return "\n\n".join(blocks)


def _table(runs: Mapping[str, dict[str, Any]], part: str, notes: list[str]) -> str:
    """One table of runs, by label, that were measured on the same rows; notes below its heading."""
    first = next(iter(runs.values()))
    names = _columns(first["metrics"][part])
    rows = [(label, results["metrics"][part], results) for label, results in runs.items()]
    baselines = first["baselines"] if part != "validation" else {}
    rows += [(_NAMES.get(name, name), values, {}) for name, values in baselines.items()]
    sign = -1 if names[0] in ERRORS else 1
    rows.sort(key=lambda row: sign * row[1].get(names[0], -sign * math.inf))
    width = max(len(label) for label, *_ in rows)
    widths = [max(10, len(name) + 2) for name in names]
    header = " " * width + "".join(
        f"{name.upper():>{wide}}" for name, wide in zip(names, widths, strict=True)
    )
    lines = [_heading(first, part), *notes, "", header]
    for label, values, results in rows:
        cells = (f"{values[name]:.4f}" if name in values else "-" for name in names)
        line = f"{label:<{width}}" + "".join(
            f"{cell:>{wide}}" for cell, wide in zip(cells, widths, strict=True)
        )
        if "std" in results:
            deviations = (f" ± {results['std'][part][name]:.4f}" for name in names)
            line += f"  {''.join(deviations)} over {len(results['folds'])} folds"
        lines.append(line)
    return "\n".join(lines)


def _heading(results: dict[str, Any], part: str) -> str:
    """What was measured on what and how, in two lines."""
    part = "test" if part == "test_best_epoch" else part
    rows = "ratings" if "rmse" in results["metrics"][part] else "interactions"
    return (
        f"{results['dataset']} · {results['split']} · {part}: {results['counts'][part]:,.0f} {rows}"
        f"\n{results['protocol'][part]}"
    )


def _columns(metrics: Mapping[str, float]) -> list[str]:
    """Those of the metrics that a table shows: of the larger cutoffs ndcg and recall alone."""
    cutoffs = [name.partition("@")[2] for name in metrics if "@" in name]
    columns = []
    for name in metrics:
        kind, _, cutoff = name.partition("@")
        shown = SHOWN if cutoff in ("", *cutoffs[:1]) else ("ndcg", "recall")
        if kind in (*ERRORS, *shown):
            columns.append(name)
    return sorted(
        columns, key=lambda name: (name not in ERRORS, "@" not in name and name not in ERRORS)
    )


def _differences(configs: Mapping[str, Config]) -> dict[str, str]:
    """The settings that are not the same everywhere, as text, by run; empty where all are."""
    flat = {
        name: {k: v for section in config.as_dict().values() for k, v in section.items()}
        for name, config in configs.items()
    }
    # where the data lie says nothing: the rows are the same
    names = [setting.name for section, setting in settings() if section != "data"]
    differing = [name for name in names if len({str(run[name]) for run in flat.values()}) > 1]
    return {
        run: " ".join(f"{name}={values[name]}" for name in differing)
        for run, values in flat.items()
        if differing
    }


def significance_table(comparison: Comparison, first: str, second: str) -> str:
    """Two runs compared user by user in every metric, as text.

    Args:
        comparison: what `significance.compare` found.
        first: the first run's name.
        second: the second run's name.
    """
    width = max(map(len, comparison.differences))
    columns = [max(10, len(name) + 2) for name in (first, second)]
    alone = [
        f"{count:,} users only in {name}"
        for name, count in ((first, comparison.only_first), (second, comparison.only_second))
        if count
    ]
    lines = [
        f"{comparison.num_users:,} users in both" + "".join(f" · {part}" for part in alone),
        "means over these users; 95 % bootstrap interval of the difference; p of the two-sided "
        "paired randomization test",
        "",
        f"{'':<{width}}{first:>{columns[0]}}{second:>{columns[1]}}"
        f"{'difference':>12}{'95 % interval':>20}{'p':>9}",
    ]
    for name, row in comparison.differences.items():
        low, high = row.interval
        lines.append(
            f"{name:<{width}}{row.first:>{columns[0]}.4f}{row.second:>{columns[1]}.4f}"
            f"{row.difference:>+12.4f}{f'{low:+.4f} {high:+.4f}':>20}{row.p_value:>9.4f}"
        )
    return "\n".join(lines)


def timing(results: dict[str, Any]) -> str:
    """Where the seconds went, in one line."""
    seconds = results["timing"]
    speed = f"{_speed(seconds['examples_per_second'])} examples/s"
    return (
        f"{results['epochs']:g} epochs, {results['parameters']:,.0f} parameters · start and load "
        f"{seconds['load_seconds']:.1f} s, compile {seconds['compile_seconds']:.1f} s, train "
        f"{seconds['train_seconds']:.1f} s ({speed}), evaluate "
        f"{seconds['evaluation_seconds']:.1f} s, in all {seconds['total_seconds']:.1f} s"
    )


def _speed(examples_per_second: float) -> str:
    if examples_per_second < 1e5:
        return f"{examples_per_second / 1e3:.1f} k"
    return f"{examples_per_second / 1e6:.2f} M"
