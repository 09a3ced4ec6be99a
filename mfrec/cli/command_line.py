"""The command line of a script: flags in groups, --help, and one line for every mistake.

    COMMAND = CommandLine(__doc__)
    RUN_DIR = COMMAND.define("What is measured.", "run_dir", str, None, "the run folder")

    def main(argv):
        return COMMAND.run(argv, work)

A script's flags live in an `absl.flags.FlagValues` of its own: what absl and other packages
define for all programs is neither shown nor taken.
"""

import dataclasses
import inspect
import math
import os
import re
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from mfrec.config.settings import Config, nearest, python_type, settings
from mfrec.errors import InputError, exit_code

_HELP = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
_KINDS = {str: "TEXT", int: "INT", float: "NUMBER"}
_BOOLS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_WIDEST = 100
# Narrower than this, help texts stand below their flags and not beside them.
_TWO_COLUMNS = 76


class CommandLine:
    """The flags of one script.

    Args:
        description: the script's docstring, with which --help begins: what it does, examples.
    """

    def __init__(self, description: str) -> None:
        self._description = inspect.cleandoc(description)
        self._values = flags.FlagValues()
        self._groups: dict[str, list[str]] = {}

    def define(
        self,
        group: str,
        name: str,
        kind: type,
        default: Any,
        help: str,
        choices: Sequence[str] = (),
        repeated: bool = False,
    ) -> flags.FlagHolder:
        """A flag; its `value` and whether it is `present` are known once `run` has begun.

        Args:
            group: the heading below which --help shows it.
            name: without dashes.
            kind: str, int, float or bool; a bool also takes --NAME and --noNAME.
            default: its value where it is not given.
            help: what it does; shown with choices and default behind it.
            choices: the only values that it takes, if not empty.
            repeated: whether it may be given several times; its value is then a list.
        """
        self._groups.setdefault(group, []).append(name)
        parser = _Parser(kind, tuple(choices))
        notes = [f"one of {', '.join(choices)}"] if choices else []
        if default not in (None, ""):
            notes.append(f"default: {str(default).lower() if kind is bool else default}")
        text = f"{help} ({'; '.join(notes)})" if notes else help
        serializer = flags.ArgumentSerializer()
        if repeated:
            text += " (may be repeated)"
            holder = flags.DEFINE_multi(parser, serializer, name, default, text, self._values)
        else:
            holder = flags.DEFINE(
                parser, name, default, text, self._values, serializer, boolean=kind is bool
            )
        # absl adds words of its own
        self._values[name].help = text
        return holder

    def define_settings(self, names: Mapping[str, Sequence[str]]) -> None:
        """A flag for every setting of mfrec/config/settings.py, below its section's docstring.

        Args:
            names: by setting, names to list in its help that config.py cannot know.
        """
        headings = {section.name: section.type.__doc__ for section in dataclasses.fields(Config)}
        for section, setting in settings():
            text = setting.metadata["help"]
            if setting.name in names:
                text = f"{text}: {', '.join(names[setting.name])}"
            self.define(
                headings[section],
                setting.name,
                python_type(setting),
                setting.default,
                text,
                setting.metadata.get("choices", ()),
            )

    def given_settings(self) -> dict[str, Any]:
        """The settings that the user typed, by flat name."""
        names = [setting.name for _, setting in settings()]
        return {name: self._values[name].value for name in names if self._values[name].present}

    def run(self, argv: Sequence[str], work: Callable[[], None]) -> int:
        """Parses the flags, does the script's work and returns its exit code (see errors.py).

        Args:
            argv: the script's name and what was typed behind it.
            work: what the script does; called once the flags have values.
        """

        def help_or_work() -> None:
            if _HELP & set(argv[1:]):
                print(self.help(min(shutil.get_terminal_size().columns, _WIDEST)))
                return
            self._parse(argv)
            work()

        return exit_code(os.path.basename(argv[0]), help_or_work)

    def help(self, width: int) -> str:
        """What --help prints, in lines of at most so many characters."""
        shown = {name: self._shown(name) for group in self._groups.values() for name in group}
        column = 4 + max(map(len, shown.values())) if width >= _TWO_COLUMNS else 8
        blocks = [self._description]
        for heading, names in self._groups.items():
            lines = textwrap.wrap(heading, width)
            for name in names:
                text = textwrap.wrap(self._values[name].help, width - column)
                flag = f"  {shown[name]}"
                if len(flag) < column:
                    flag = f"{flag:<{column}}{text.pop(0)}"
                lines += [flag, *(" " * column + line for line in text)]
            blocks.append("\n".join(lines))
        blocks.append("Flags may also stand in a file, one a line: --flagfile=FILE")
        return "\n\n".join(blocks)

    def _shown(self, name: str) -> str:
        flag = self._values[name]
        if flag.boolean:
            return f"--[no]{name}"
        return f"--{name}={_KINDS[flag.parser.kind]}"

    def _parse(self, argv: Sequence[str]) -> None:
        try:
            rest = self._values([_plainly_negated(argument) for argument in argv])
        except flags.UnrecognizedFlagError as error:
            name, script = error.flagname, os.path.basename(argv[0])
            hint = nearest(name, list(self._values), f"; see {script} --help")
            raise InputError(f"unknown flag --{name}{hint}") from None
        except (flags.Error, ValueError) as error:
            message = str(error).removeprefix("flag ").removeprefix("ERROR:: ")
            raise InputError(" ".join(message.split())) from None
        if len(rest) > 1:
            raise InputError(f"'{rest[1]}' is no flag; flags are --name=value")


def _plainly_negated(argument: str) -> str:
    """--no_name as --noname: who reads flags with underscores types one there as well."""
    return re.sub("^(--?no)_", r"\1", argument)


class _Parser(flags.ArgumentParser):
    """Text as a value of a kind; absl prefixes what is raised with the flag and its text."""

    def __init__(self, kind: type, choices: tuple[str, ...]) -> None:
        self.kind = kind
        self._choices = choices

    def flag_type(self) -> str:
        return self.kind.__name__

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        if self._choices and argument not in self._choices:
            raise ValueError(f"unknown{nearest(argument, self._choices)}")
        try:
            value = _BOOLS[argument.lower()] if self.kind is bool else self.kind(argument)
        except (KeyError, ValueError):
            raise ValueError(f"not of type {self.kind.__name__}") from None
        if self.kind is float and not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value
