"""Results as text: tables, comparisons of runs, timing."""

import math
from collections.abc import Mapping, Sequence

from mfrec.config.settings import Config, settings
from mfrec.evaluation.metrics import find, lower_is_better
from mfrec.evaluation.significance import Comparison
from mfrec.progress import speed
from mfrec.runs.results import Results
from mfrec.terminal import left, number, right, spec, visible, width

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
    lines = [_table({f"mfrec {visible(results.model)}": results}, part, notes)]
    intervals = results.intervals.get(part, {})
    ranges = [
        f"{visible(name.upper())} {'–'.join(number(end, spec(*ends)) for end in ends)}"
        for name, ends in ((name, intervals.get(name)) for name in _columns(metrics))
        if ends
    ]
    if ranges:
        lines.append(f"95 % intervals over users: {', '.join(ranges)}")
    if part == "test":
        lines += [f"warning: {visible(warning)}" for warning in results.warnings]
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
        shown = {name: visible(name) for name in group}
        wide = max(map(width, shown.values()))
        notes = [
            f"{shown[name]}: training was stopped {results.stopped}"
            for name, results in group.items()
            if results.stopped
        ]
        if heading in headings:
            notes.insert(0, "on other ratings than the table of this heading above")
        headings.add(heading)
        rows = {f"{left(shown[n], wide)}  {visible(r.model)}": r for n, r in group.items()}
        blocks.append(_table(rows, part, notes))
        warned: dict[str, list[str]] = {}
        for name, results in group.items():
            for warning in results.warnings:
                warned.setdefault(visible(warning), []).append(shown[name])
        blocks[-1] += "".join(
            _warning(warning, names if len(names) < len(group) else [])
            for warning, names in warned.items()
        )
        differences = _differences({name: configs[name] for name in group})
        if differences:
            lines = (
                f"{left(shown[name], wide)}  {visible(settings)}"
                for name, settings in differences.items()
            )
            blocks.append("\n".join(["settings that differ:", *lines]))
    return "\n\n".join(blocks)


def _warning(warning: str, names: Sequence[str]) -> str:
    """Return a warning as a line below a table; of some of its runs alone if they are named."""
    return "\n" + ": ".join(["warning", *([", ".join(names)] if names else []), warning])


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
    # from worst to best in the first column; what is no number comes first
    falls = lower_is_better(names[0])
    rows.sort(key=lambda row: _badness(row[1].get(names[0]), falls), reverse=True)

    specs = {name: spec(*(values.get(name) for _, values in rows)) for name in names}
    cells = [["", *(visible(name.upper()) for name in names)]]
    cells += [
        [label, *(number(values.get(name), specs[name]) for name in names)]
        for label, values in rows
    ]
    deviations = ["", *(_deviations(runs.get(label), part, specs) for label, _ in rows)]
    table = [a + b for a, b in zip(aligned(cells, [10] * len(names)), deviations, strict=True)]
    return "\n".join([_heading(first, part), *notes, "", *table])


def _badness(value: float | None, lower_is_better: bool) -> float:
    if value is None or math.isnan(value):
        return math.inf
    return value if lower_is_better else -value


def aligned(rows: Sequence[Sequence[str]], narrowest: Sequence[int]) -> list[str]:
    """Return the lines of a table: the first column to the left, the others to the right.

    Args:
        rows: cells by row.
        narrowest: the least width of each column but the first; two spaces stand between columns.
    """
    first, *others = ([width(cell) for cell in column] for column in zip(*rows, strict=True))
    wide = [max(least, max(column) + 2) for least, column in zip(narrowest, others, strict=True)]
    return [left(label, max(first)) + "".join(map(right, cells, wide)) for label, *cells in rows]


def _deviations(results: Results | None, part: str, specs: Mapping[str, str]) -> str:
    """Return the standard deviations over folds; empty unless this is a cross-validation."""
    if results is None or results.std is None or results.folds is None:
        return ""
    std = results.std[part]
    deviations = "".join(f" ± {number(std.get(name), of_name)}" for name, of_name in specs.items())
    return f"  {deviations} over {len(results.folds)} folds"


def _heading(results: Results, part: str) -> str:
    """Return in two lines what was measured, on what and how."""
    part = "test" if part == "test_best_epoch" else part
    rows = "ratings" if "rmse" in results.metrics[part] else "interactions"
    what = f"{results.dataset} · {results.split} · {part}: {results.counts[part]:,.0f} {rows}"
    return "\n".join(map(visible, [what, *results.protocol[part].split("\n")]))


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
    first, second = visible(first), visible(second)
    alone = [
        f"{count:,} users only in {name}"
        for name, count in ((first, comparison.only_first), (second, comparison.only_second))
        if count
    ]
    cells = [["", first, second, "difference", "95 % interval", "p"]]
    for name, row in comparison.differences.items():
        of_means = spec(row.first, row.second)
        of_difference = f"+{spec(row.difference, *row.interval) if 'e' in of_means else of_means}"
        low, high = (number(end, of_difference) for end in row.interval)
        cells.append(
            [
                visible(name),
                number(row.first, of_means),
                number(row.second, of_means),
                number(row.difference, of_difference),
                f"{low} {high}",
                f"{row.p_value:.4f}",
            ]
        )
    return "\n".join(
        [
            f"{comparison.num_users:,} users in both" + "".join(f" · {part}" for part in alone),
            "means over these users; 95 % bootstrap interval of the difference; p of the "
            "two-sided paired randomization test",
            "",
            *aligned(cells, [10, 10, 12, 20, 9]),
        ]
    )


def timing(results: Results) -> str:
    """Return in one line where the time went."""
    seconds = results.timing
    return (
        f"{results.epochs:g} epochs, {results.parameters:,.0f} parameters · start and load "
        f"{seconds.load_seconds:.1f} s, prepare {seconds.prepare_seconds:.1f} s, compile "
        f"{seconds.compile_seconds:.1f} s, train "
        f"{seconds.train_seconds:.1f} s ({speed(seconds.examples_per_second)} examples/s), "
        f"evaluate {seconds.evaluation_seconds:.1f} s, write "
        f"{seconds.summary_seconds + seconds.save_seconds:.1f} s, in all "
        f"{seconds.total_seconds:.1f} s"
    )
