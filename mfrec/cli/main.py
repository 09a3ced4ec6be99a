"""The installed program: `mfrec train --epochs=3` does what `python train.py --epochs=3` does."""

import importlib
import sys
from collections.abc import Sequence

from mfrec.cli.exit_codes import exit_code
from mfrec.errors import InputError, did_you_mean

# name -> module of mfrec.cli, and what the command does
COMMANDS = {
    "train": ("train", "train a model and measure it"),
    "eval": ("evaluate", "measure finished runs again, or compare them"),
    "recommend": ("recommend", "recommend, find similar items, predict and explain"),
    "convert": ("convert", "make shards of ratings that are larger than memory"),
    "export": ("export", "write a trained model for others to use"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the program's name, the command and its flags; by default those of this process.
    """
    given = list(sys.argv if argv is None else argv)[1:]
    if not given or given[0] not in COMMANDS:
        return exit_code("mfrec", lambda: _help_or_refuse(given))
    module, _ = COMMANDS[given[0]]
    command = importlib.import_module(f"mfrec.cli.{module}")
    return command.main([f"mfrec {given[0]}", *given[1:]])


def _help_or_refuse(given: list[str]) -> None:
    if given and given[0] in ("--help", "-help", "-h", "help"):
        print(_help())
        return
    wrong = f"unknown command '{given[0]}'" if given else "no command given"
    raise InputError(f"{wrong}{did_you_mean(' '.join(given[:1]), COMMANDS)}")


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = (f"  mfrec {name:<{width}}  {does}" for name, (_, does) in COMMANDS.items())
    return "\n".join(
        [
            "Recommending by matrix factorization in TensorFlow.",
            "",
            *lines,
            "",
            "Each command lists its flags: mfrec train --help",
        ]
    )
