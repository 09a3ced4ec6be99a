"""Results as text: tables, comparisons of runs, timing."""

import math
from collections.abc import Mapping, Sequence

from mfrec.config.settings import Config, settings
from mfrec.evaluation.metrics import find, lower_is_better
from mfrec.evaluation.significance import Comparison
from mfrec.progress import speed
from mfrec.runs.results import Results

_NAMES = {"biases": "damped biases", "global_mean": "global mean"}


def table(results: Results, part: str = "test") -> str:
    """Return the metrics of one part, model beside baselines, as text.

    Args:
        results: of the run.
        part: "test", "validation" or "test_best_epoch".
    """
    metrics, notes = results.metrics[part], []
    if results.stopped:
        notes.append(f"training was stopped {results.stopped}")
    if part == "test_best_epoch":
        notes.append(f"optimistic: of epoch {metrics['epoch']:g}, the best on this very test part")
    lines = [_table({f"mfrec {results.model}": results}, part, notes)]
    intervals = results.intervals.get(part, {})
    ranges = [
        "{} {:.4f}–{:.4f}".format(name.upper(), *intervals[name])
        for name in _columns(metrics)
        if name in intervals
    ]
    if ranges:
        lines.append(f"95 % intervals over users: {', '.join(ranges)}")
    if part == "test":
        lines += [f"warning: {warning}" for warning in results.warnings]
    return "\n".join(lines)


def comparison(
    runs: Mapping[str, Results], configs: Mapping[str, Config], part: str = "test"
) -> str:
    """Return the metrics of several runs side by side, from worst to best, as text.

    Runs share a table only if they were measured on the same rows in the same way.

    Args:
        runs: results by run folder.
        configs: the runs' settings; those that differ within a table are listed below it.
        part: "test" or "validation".
    """
    groups: dict[tuple[str, ...], dict[str, Results]] = {}
    for name, results in runs.items():
        key = (_heading(results, part), results.held_out[part], str(results.baselines))
        groups.setdefault(key, {})[name] = results
    blocks: list[str] = []
    headings: set[str] = set()
    for (heading, *_), group in groups.items():
        width = max(map(len, group))
        notes = [
            f"{name}: training was stopped {results.stopped}"
            for name, results in group.items()
            if results.stopped
        ]
        if heading in headings:
            notes.insert(0, "on other ratings than the table of this heading above")
        headings.add(heading)
        rows = {f"{name:<{width}}  {results.model}": results for name, results in group.items()}
        blocks.append(_table(rows, part, notes))
        differences = _differences({name: configs[name] for name in group})
        if differences:
            lines = (f"{name:<{width}}  {settings}" for name, settings in differences.items())
            blocks.append("\n".join(["settings that differ:", *lines]))
    return "\n\n".join(blocks)


def _table(runs: Mapping[str, Results], part: str, notes: list[str]) -> str:
    """Return one table of runs that were measured on the same rows.

    Args:
        runs: results by label.
        part: the part.
        notes: lines below the heading.
    """
    first = next(iter(runs.values()))
    names = _columns(first.metrics[part])
    rows = [(label, results.metrics[part]) for label, results in runs.items()]
    if part != "validation":
        rows += [(_NAMES.get(name, name), values) for name, values in first.baselines.items()]
    # from worst to best in the first column
    falls = lower_is_better(names[0])
    worst = math.inf if falls else -math.inf
    rows.sort(key=lambda row: row[1].get(names[0], worst), reverse=falls)

    width = max(len(label) for label, _ in rows)
    widths = {name: max(10, len(name) + 2) for name in names}
    lines = [_heading(first, part), *notes, ""]
    lines.append(" " * width + "".join(f"{name.upper():>{widths[name]}}" for name in names))
    for label, values in rows:
        cells = {name: f"{values[name]:.4f}" if name in values else "-" for name in names}
        line = f"{label:<{width}}" + "".join(f"{cells[name]:>{widths[name]}}" for name in names)
        lines.append(line + _deviations(runs.get(label), part, names))
    return "\n".join(lines)


def _deviations(results: Results | None, part: str, names: Sequence[str]) -> str:
    """Return the standard deviations over folds; empty unless this is a cross-validation."""
    if results is None or results.std is None or results.folds is None:
        return ""
    deviations = "".join(f" ± {results.std[part][name]:.4f}" for name in names)
    return f"  {deviations} over {len(results.folds)} folds"


def _heading(results: Results, part: str) -> str:
    """Return in two lines what was measured, on what and how."""
    part = "test" if part == "test_best_epoch" else part
    rows = "ratings" if "rmse" in results.metrics[part] else "interactions"
    return (
        f"{results.dataset} · {results.split} · {part}: {results.counts[part]:,.0f} {rows}"
        f"\n{results.protocol[part]}"
    )


def _columns(metrics: Mapping[str, float]) -> list[str]:
    """Return the metrics that a table shows: errors, then those with a cutoff, then the others.

    Of the cutoffs after the first, only ndcg and recall are shown.
    """
    cutoffs = [name.partition("@")[2] for name in metrics if "@" in name]
    errors: list[str] = []
    with_cutoff: list[str] = []
    others: list[str] = []
    for name in metrics:
        kind, _, cutoff = name.partition("@")
        metric = find(name)
        # a metric of the user's own may stand in results.json without being loaded
        is_shown = metric.shown if metric else name != "epoch"
        if cutoff not in ("", *cutoffs[:1]):
            is_shown = kind in ("ndcg", "recall")
        if metric and metric.of_ratings:
            errors.append(name)
        elif is_shown:
            (with_cutoff if cutoff else others).append(name)
    return errors + with_cutoff + others


def _differences(configs: Mapping[str, Config]) -> dict[str, str]:
    """Return the settings that are not the same in all runs, as text by run."""
    # the rows are the same, wherever the data are kept
    names = [setting.name for section, setting in settings() if section != "data"]
    flat = {run: config.flat() for run, config in configs.items()}
    differing = [name for name in names if len({str(run[name]) for run in flat.values()}) > 1]
    if not differing:
        return {}
    return {
        run: " ".join(f"{name}={values[name]}" for name in differing)
        for run, values in flat.items()
    }


def significance_table(comparison: Comparison, first: str, second: str) -> str:
    """Return two runs compared user by user in every metric, as text.

    Args:
        comparison: from `significance.compare`.
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


def timing(results: Results) -> str:
    """Return in one line where the time went."""
    seconds = results.timing
    return (
        f"{results.epochs:g} epochs, {results.parameters:,.0f} parameters · start and load "
        f"{seconds.load_seconds:.1f} s, compile {seconds.compile_seconds:.1f} s, train "
        f"{seconds.train_seconds:.1f} s ({speed(seconds.examples_per_second)} examples/s), "
        f"evaluate {seconds.evaluation_seconds:.1f} s, in all {seconds.total_seconds:.1f} s"
    )
