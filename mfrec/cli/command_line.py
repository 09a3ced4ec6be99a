"""The command line of a command: flags in groups, --help, and one line for every mistake.

    COMMAND = CommandLine(__doc__)
    RUN_DIR = COMMAND.define("What is measured.", "run_dir", str, None, "the run folder")

    def main(argv):
        return COMMAND.run(argv, work)

Each command has an `absl.flags.FlagValues` of its own, so flags that absl and other packages
define for every program are neither shown nor accepted.
"""

import dataclasses
import inspect
import math
import os
import re
import shutil
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from absl import flags

from mfrec.cli.exit_codes import as_typed, exit_code
from mfrec.config.settings import Config, python_type, settings
from mfrec.errors import InputError, did_you_mean

_HELP = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
_KINDS = {str: "TEXT", int: "INT", float: "NUMBER"}
_BOOLS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_WIDEST = 100
# Narrower than this, help texts stand below their flags and not beside them.
_TWO_COLUMNS = 76


class CommandLine:
    """The flags of one command.

    Args:
        description: what the command does, with examples: the beginning of --help.
    """

    def __init__(self, description: str) -> None:
        self._description = inspect.cleandoc(description)
        self._values = flags.FlagValues()
        self._groups: dict[str, list[str]] = {}
        self._kinds: dict[str, type] = {}

    def define(
        self,
        group: str,
        name: str,
        kind: type,
        default: Any,
        help: str,
        choices: Sequence[str] = (),
        repeated: bool = False,
        may_be_empty: bool = False,
    ) -> flags.FlagHolder:
        """Define a flag; `run` sets its `value` and whether it is `present`.

        Args:
            group: the heading below which --help shows it.
            name: without dashes.
            kind: str, int, float or bool; a bool also takes --NAME and --noNAME.
            default: the value if it is not given.
            help: what it does; choices and default are added.
            choices: the only values that it takes, if not empty.
            repeated: whether it may be given several times; its value is then a list.
            may_be_empty: whether an empty text is a value; where a script's variable is not set,
                it is none.
        """
        self._groups.setdefault(group, []).append(name)
        self._kinds[name] = kind
        parser = _Parser(kind, tuple(choices), may_be_empty or default == "")
        notes = [f"one of {', '.join(choices)}"] if choices else []
        if default not in (None, ""):
            notes.append(f"default: {str(default).lower() if kind is bool else default}")
        text = f"{help} ({'; '.join(notes)})" if notes else help
        serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
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

    def define_allow_code(self, group: str) -> flags.FlagHolder:
        """Define --allow_code, below the heading `group`."""
        text = (
            "run the losses, models and other code that a run folder holds, even if you have not "
            "trained with them"
        )
        return self.define(group, "allow_code", bool, False, text)

    def define_settings(
        self, names: Mapping[str, Sequence[str]], only: Collection[str] | None = None
    ) -> None:
        """Define a flag for every setting, below the docstring of its section.

        Args:
            names: by setting, names to list in its help that mfrec/config does not know.
            only: the settings that the command takes; by default all.
        """
        headings = {section.name: section.type.__doc__ for section in dataclasses.fields(Config)}
        for section, setting in settings():
            if only is not None and setting.name not in only:
                continue
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
                # resolve() knows whether there is something that it unsets
                may_be_empty=True,
            )

    def show_first(self, heading: str, names: Sequence[str]) -> None:
        """Let --help begin with these flags, below a heading of their own."""
        others = {
            group: [name for name in members if name not in names]
            for group, members in self._groups.items()
        }
        self._groups = {heading: list(names)} | others

    def given_settings(self) -> dict[str, Any]:
        """The settings that the user typed, by flat name."""
        names = [setting.name for _, setting in settings() if setting.name in self._kinds]
        return {name: self._values[name].value for name in names if self._values[name].present}

    def run(self, argv: Sequence[str], work: Callable[[], None], unread: int = 141) -> int:
        """Parse the flags, do the command's work and return its exit code (see exit_codes.py).

        Args:
            argv: the command's name and its arguments.
            work: what the command does; called once the flags have values.
            unread: the code where nobody reads the output.
        """
        program = os.path.basename(argv[0])

        def help_or_work() -> None:
            if _HELP & set(argv[1:]):
                width = min(shutil.get_terminal_size().columns, _WIDEST)
                print(as_typed(self.help(width), program))
                return
            self._parse(program, argv[1:])
            work()

        return exit_code(program, help_or_work, unread)

    def help(self, width: int) -> str:
        """What --help prints, in lines of at most `width` characters."""
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
        return f"--{name}={_KINDS[self._kinds[name]]}"

    def _parse(self, program: str, arguments: Sequence[str]) -> None:
        for name in self._values:
            # a second call in the same process starts from the defaults
            self._values[name].unparse()
        try:
            rest = self._values([program, *map(_without_underscore, arguments)])
        except flags.UnrecognizedFlagError as error:
            name = error.flagname
            hint = did_you_mean(name, list(self._values), f"; see {program} --help")
            raise InputError(f"unknown flag --{name}{hint}") from None
        except UnicodeDecodeError:
            raise InputError("--flagfile: no text in UTF-8; save it as such") from None
        except (flags.Error, ValueError) as error:
            message = str(error).removeprefix("flag ").removeprefix("ERROR:: ")
            raise InputError(" ".join(message.split())) from None
        if len(rest) > 1:
            raise InputError(f"'{rest[1]}' is no flag; flags are --name=value")


def _without_underscore(argument: str) -> str:
    """Return --no_name as --noname, which is the only spelling that absl knows."""
    return re.sub("^(--?no)_", r"\1", argument)


class _Parser(flags.ArgumentParser):
    """Turns text into a value; absl puts the flag and its text before the errors raised here."""

    def __init__(self, kind: type, choices: tuple[str, ...], may_be_empty: bool) -> None:
        self._kind = kind
        self._choices = choices
        self._may_be_empty = may_be_empty

    def flag_type(self) -> str:
        return self._kind.__name__

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        if self._kind is str and not argument and not self._may_be_empty:
            raise ValueError("empty; give a value, or leave it out")
        if self._choices and argument not in self._choices:
            raise ValueError(f"unknown{did_you_mean(argument, self._choices)}")
        try:
            value = _BOOLS[argument.lower()] if self._kind is bool else self._kind(argument)
        except (KeyError, ValueError):
            raise ValueError(f"not of type {self._kind.__name__}") from None
        if self._kind is float and not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value
