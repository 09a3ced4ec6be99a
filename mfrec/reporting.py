"""What a person reads: progress on standard error while training, a table at the end."""

import sys
from typing import Any

from mfrec.progress import Progress
from mfrec.training import EpochLog, LoopLog

_NAMES = {"biases": "damped biases", "global_mean": "global mean", "oracle": "oracle"}


class TrainingReport:
    """A progress bar on a terminal, one plain line an epoch elsewhere; a context manager."""

    def __init__(self) -> None:
        self._progress = Progress("compiling the training loop …")
        self._is_training = False
        self._rmse = ""

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
        parts = [f"epoch {log.epoch}", f"loss {log.loss:.4f}", self._rmse]
        parts.append(f"{_speed(log.examples_per_second)}/s")
        self._progress.update(log.loops_done, "  ".join(filter(None, parts)))

    def epoch(self, log: EpochLog) -> None:
        """Prints the epoch's line where standard error is no terminal."""
        if log.validation:
            self._rmse = f"RMSE {log.validation['rmse']:.4f}"
        if sys.stderr.isatty():
            return
        measured = f"  validation {self._rmse}" if log.validation else ""
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
        *([f"training was stopped {results['stopped']}"] if "stopped" in results else []),
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
