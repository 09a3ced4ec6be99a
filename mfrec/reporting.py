"""What a person reads: progress on standard error while training, a table at the end."""

import sys
from typing import Any

from mfrec.progress import Progress
from mfrec.training import EpochLog, LoopLog

_NAMES = {"biases": "damped biases", "global_mean": "global mean", "oracle": "oracle"}


class TrainingReport:
    """A progress bar on a terminal, one plain line an epoch elsewhere; a context manager."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._validation = ""

    def __enter__(self) -> "TrainingReport":
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._progress:
            self._progress.__exit__(*exception)

    def loop(self, log: LoopLog) -> None:
        """Moves the bar."""
        if self._progress is None:
            self._progress = Progress("training", log.loops_in_all, "loops")
        speed = _speed(log.examples_per_second)
        note = f"epoch {log.epoch}  loss {log.loss:.4f}{self._validation}  {speed}"
        self._progress.update(log.loops_done, note)

    def epoch(self, log: EpochLog) -> None:
        """Prints the epoch's line where standard error is no terminal."""
        if log.validation:
            self._validation = f"  validation RMSE {log.validation['rmse']:.4f}"
        if sys.stderr.isatty():
            return
        measured = self._validation if log.validation else ""
        best = " *" if log.validation and log.is_best else ""
        print(
            f"epoch {log.epoch:>{len(str(log.epochs))}}/{log.epochs}"
            f"  loss {log.train['loss']:.4f}{measured}"
            f"  {_speed(log.train['examples_per_second'])}"
            f"  {log.seconds:.1f} s{best}",
            file=sys.stderr,
        )


def table(results: dict[str, Any], part: str = "test") -> str:
    """Metrics of one part, model beside baselines, as text.

    Args:
        results: the object of results.json.
        part: "test" or "validation".
    """
    metrics = results["metrics"][part]
    deviations = results.get("std", {}).get(part, {})
    names = list(metrics)
    rows = [(f"mfrec {results['model']}", metrics)]
    if part == "test":
        rows += [(_NAMES[name], values) for name, values in results["baselines"].items()]
        rows.sort(key=lambda row: -row[1][names[0]])
    width = max(len(name) for name, _ in rows)
    lines = [
        f"{results['dataset']} · {results['split']} · "
        f"{part}: {results['counts'][part]:,.0f} ratings",
        results["protocol"],
        "",
        " " * width + "".join(f"{name.upper():>10}" for name in names),
    ]
    for name, values in rows:
        lines.append(f"{name:<{width}}" + "".join(f"{values[n]:10.4f}" for n in names))
        if values is metrics and deviations:
            lines[-1] += "   ± " + " ± ".join(f"{deviations[n]:.4f}" for n in names)
            lines[-1] += f" over {len(results['folds'])} folds"
    return "\n".join(lines)


def say(text: str) -> None:
    """One line to whoever watches, on standard error."""
    print(text, file=sys.stderr)


def timing(results: dict[str, Any]) -> str:
    """Where the seconds went, in one line."""
    seconds = results["timing"]
    return (
        f"{results['epochs']:g} epochs, {results['parameters']:,.0f} parameters · start and load "
        f"{seconds['load_seconds']:.1f} s, compile {seconds['compile_seconds']:.1f} s, train "
        f"{seconds['train_seconds']:.1f} s ({_speed(seconds['examples_per_second'])}), evaluate "
        f"{seconds['evaluation_seconds']:.1f} s, in all {seconds['total_seconds']:.1f} s"
    )


def _speed(examples_per_second: float) -> str:
    if examples_per_second < 1e5:
        return f"{examples_per_second / 1e3:.1f} k examples/s"
    return f"{examples_per_second / 1e6:.2f} M examples/s"
