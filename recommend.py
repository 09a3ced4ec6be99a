"""Asks a finished run: what to recommend to whom, what is similar, what rating to expect, and why.

    python recommend.py --run_dir=runs/my-run --user=196
    python recommend.py --run_dir=runs/my-run --user=196 --explain
    python recommend.py --run_dir=runs/my-run --user=196 --item="Fargo (1996)"
    python recommend.py --run_dir=runs/my-run --item="Fargo (1996)"
    python recommend.py --run_dir=runs/my-run --history="Fargo (1996):5,Alien (1979):3"
    python recommend.py --run_dir=runs/my-run --all_users --output_file=lists.jsonl

Users and items go by raw id or by label, such as a title. Results go to standard output, the rest
to standard error.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mfrec.cli.command_line import CommandLine
from mfrec.errors import InputError
from mfrec.files import check_run_dir
from mfrec.progress import waiting
from mfrec.serving.histories import read_names

COMMAND = CommandLine(__doc__)
_WHAT = "What is asked."
RUN_DIR = COMMAND.define(_WHAT, "run_dir", str, None, "the run folder that train.py left")
USER = COMMAND.define(
    _WHAT, "user", str, None, "recommend to this user, raw id or label", repeated=True
)
USERS_FILE = COMMAND.define(
    _WHAT, "users_file", str, None, "recommend to the users in this file, one a line"
)
ALL_USERS = COMMAND.define(_WHAT, "all_users", bool, False, "recommend to every user of the run")
HISTORY = COMMAND.define(
    _WHAT,
    "history",
    str,
    None,
    "recommend to somebody new who had these: item:rating,item:rating or item,item, or @FILE with "
    "one item a line; raw ids and labels may hold commas and colons",
)
ITEM = COMMAND.define(
    _WHAT,
    "item",
    str,
    None,
    "items similar to this one, raw id or label; with --user: the rating or score to expect, and "
    "why",
)
SIMILAR_USERS = COMMAND.define(
    _WHAT, "similar_users", bool, False, "users similar to --user instead of items"
)
_HOW = "Which items."
K = COMMAND.define(_HOW, "k", int, 10, "length of a list; shorter where no more items are left")
EXCLUDE_SEEN = COMMAND.define(
    _HOW, "exclude_seen", bool, True, "leave out the user's training and validation items"
)
CANDIDATES = COMMAND.define(
    _HOW, "candidates", str, None, "recommend only items in this file, one a line"
)
EXCLUDE = COMMAND.define(_HOW, "exclude", str, None, "never recommend this item", repeated=True)
ON_UNKNOWN = COMMAND.define(
    _HOW,
    "on_unknown",
    str,
    "error",
    "users that the run does not know: stop; give them the items that most users have; or skip "
    "them. Unknown items stop it or are left out; predictions fall back, or are skipped",
    ["error", "popular", "skip"],
)
_OUTPUT = "What comes out."
EXPLAIN = COMMAND.define(
    _OUTPUT,
    "explain",
    bool,
    False,
    "below each recommended item, those of the user's history that speak most for it",
)
OUTPUT = COMMAND.define(_OUTPUT, "output", str, "table", "what to print", ["table", "json"])
OUTPUT_FILE = COMMAND.define(
    _OUTPUT, "output_file", str, None, "write all lists to this file, .csv or .jsonl, instead"
)


def ask() -> None:
    """What the command does, from flags to the printed answers."""
    _check()
    users = USER.value or (read_names(USERS_FILE.value) if USERS_FILE.value else None)
    candidates = read_names(CANDIDATES.value) if CANDIDATES.value else None

    # TensorFlow takes seconds to import: wrong flags and files are answered before
    with waiting("starting TensorFlow"):
        from mfrec.cli import answers
        from mfrec.serving.recommender import Recommender

    recommender = Recommender.load(RUN_DIR.value)
    if not os.path.isfile(os.path.join(RUN_DIR.value, "results.json")):
        _say(f"{RUN_DIR.value} has not ended: these are the answers of its best weights so far")
    if ON_UNKNOWN.value != "error":
        _tell_strangers("users", users or (), recommender.user_ids)
        _tell_strangers(
            "items", [*(candidates or ()), *(EXCLUDE.value or ())], recommender.item_ids
        )
    if ITEM.value and users:
        on_unknown = ON_UNKNOWN.value
        found = (answers.predicted(recommender, u, ITEM.value, K.value, on_unknown) for u in users)
    elif ITEM.value:
        found = [answers.similar_items(recommender, ITEM.value, K.value)]
    elif SIMILAR_USERS.value:
        found = (answers.similar_users(recommender, user, K.value) for user in users)
    elif HISTORY.present:
        options = (K.value, EXCLUDE_SEEN.value, candidates, EXCLUDE.value, ON_UNKNOWN.value)
        found = [answers.recommended_from_history(recommender, HISTORY.value, *options)]
    else:
        lists = recommender.recommend_all(
            users, K.value, EXCLUDE_SEEN.value, candidates, EXCLUDE.value, ON_UNKNOWN.value
        )
        if OUTPUT_FILE.value:
            answers.write(OUTPUT_FILE.value, lists, len(users or recommender.users))
            return
        found = (answers.recommended(recommender, user_list, EXPLAIN.value) for user_list in lists)
    for number, answer in enumerate(filter(None, found)):
        if answer.note:
            _say(answer.note)
        if OUTPUT.value == "json":
            print(answer.as_json())
        else:
            print(("\n" if number else "") + answer.as_table())


def _check() -> None:
    """Refuses flags that make no sense, alone or together."""
    check_run_dir(RUN_DIR.value, "ask")
    file = OUTPUT_FILE.value
    many = ALL_USERS.value or USERS_FILE.value
    ways = {
        "--user": USER.value,
        "--users_file": USERS_FILE.value,
        "--all_users": ALL_USERS.value,
        "--history": HISTORY.present,
    }
    given = [name for name, value in ways.items() if value]
    lists_wanted = bool(given) and not ITEM.value and not SIMILAR_USERS.value
    wrong = {
        "nothing is asked: give --user=ID, --item=ID, --history=ITEMS or --all_users": not given
        and not ITEM.value,
        f"{' and '.join(given)}: leave out one": len(given) > 1,
        f"--k={K.value}: ask for at least 1": K.value < 1,
        "lists of many users go to a file: add --output_file=FILE.csv or FILE.jsonl": many
        and not file,
        f"--output_file={file}: end it in .csv or .jsonl": file
        and not file.endswith((".csv", ".jsonl")),
        "--output_file holds what is recommended to users: leave out --item and --similar_users": (
            file and not lists_wanted
        ),
        "--similar_users needs --user=ID and no --item": SIMILAR_USERS.value
        and (not USER.value or ITEM.value),
        "--history asks for a list, on the screen: leave out --item, --similar_users and "
        "--output_file": HISTORY.present and (ITEM.value or SIMILAR_USERS.value or file),
        "--explain goes with what is recommended to --user, on the screen": EXPLAIN.value
        and (not lists_wanted or HISTORY.present or file),
    }
    for reason, holds in wrong.items():
        if holds:
            raise InputError(reason)


def _tell_strangers(what: str, names: Sequence[str], ids: Callable[..., Any]) -> None:
    """Says whom or what the run does not know."""
    strangers = [n for n, row in zip(names, ids(names, "skip").tolist(), strict=True) if row < 0]
    if strangers:
        _say(f"the run does not know {len(strangers):,} of the {what}, such as '{strangers[0]}'")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(argv: list[str]) -> int:
    return COMMAND.run(argv, ask)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
