"""Asks a finished run: what to recommend, what is similar, what rating to expect, and why.

    python recommend.py --run_dir=runs/my-run --user=196
    python recommend.py --run_dir=runs/my-run --user=196 --explain
    python recommend.py --run_dir=runs/my-run --user=196 --item="Fargo (1996)"
    python recommend.py --run_dir=runs/my-run --item="Fargo (1996)"
    python recommend.py --run_dir=runs/my-run --history="Fargo (1996):5,Alien (1979):3"
    python recommend.py --run_dir=runs/my-run --all_users --output_file=lists.jsonl

Users and items are given by raw id or by label, such as a title. Results go to standard output,
notes to standard error.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mfrec.cli.command_line import CommandLine
from mfrec.data.usual_names import USUAL_NAMES, plain_name
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.files import check_run_dir
from mfrec.progress import say, waiting
from mfrec.serving.histories import read_names

COMMAND = CommandLine(__doc__)
_WHAT = "What is asked."
RUN_DIR = COMMAND.define(_WHAT, "run_dir", str, None, "the run folder")
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
    "recommend to a new user with this history: item:rating,item:rating or item,item, or @FILE "
    "with one item a line; raw ids and labels may contain commas and colons",
)
ITEM = COMMAND.define(
    _WHAT,
    "item",
    str,
    None,
    "list items similar to this one, raw id or label; with --user: predict its rating or score "
    "and explain it",
)
SIMILAR_USERS = COMMAND.define(_WHAT, "similar_users", bool, False, "list users similar to --user")
ALLOW_CODE = COMMAND.define_allow_code(_WHAT)
_HOW = "Which items."
K = COMMAND.define(_HOW, "k", int, 10, "length of a list")
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
    "unknown users: error stops, popular recommends the most popular items, skip leaves them out; "
    "unknown items stop it or are left out; predictions fall back to the biases or are skipped",
    ["error", "popular", "skip"],
)
_OUTPUT = "Output."
EXPLAIN = COMMAND.define(
    _OUTPUT,
    "explain",
    bool,
    False,
    "below each recommended item, show the items of the user's history that contribute most",
)
OUTPUT = COMMAND.define(_OUTPUT, "output", str, "table", "what to print", ["table", "json"])
OUTPUT_FILE = COMMAND.define(
    _OUTPUT, "output_file", str, None, "write all lists to this file, .csv or .jsonl, instead"
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the program's name and its flags.
    """
    return COMMAND.run(argv, recommend)


def recommend() -> None:
    """Print or write what is asked."""
    _check()
    users = USER.value or (read_names(USERS_FILE.value) if USERS_FILE.value else None)
    candidates = read_names(CANDIDATES.value) if CANDIDATES.value else None

    # TensorFlow takes seconds to import: wrong flags and files are answered before
    with waiting("starting TensorFlow"):
        from mfrec.cli import answers
        from mfrec.serving.recommender import Recommender

    recommender = Recommender.load(RUN_DIR.value, ALLOW_CODE.value)
    if USERS_FILE.value:
        _refuse_header(USERS_FILE.value, users, recommender.users, "user")
    if CANDIDATES.value:
        _refuse_header(CANDIDATES.value, candidates, recommender.items, "item")
    if not os.path.isfile(os.path.join(RUN_DIR.value, "results.json")):
        say(f"{RUN_DIR.value} has not ended: these are the answers of its best weights so far")
    if ON_UNKNOWN.value != "error":
        _note_unknown("users", users or (), recommender.user_ids)
        _note_unknown("items", [*(candidates or ()), *(EXCLUDE.value or ())], recommender.item_ids)
    found: Iterable[answers.Answer | None]
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
            say(answer.note)
        if OUTPUT.value == "json":
            print(answer.as_json())
        else:
            print(("\n" if number else "") + answer.as_table())


def _check() -> None:
    """Refuse flags that make no sense, alone or together."""
    check_run_dir(RUN_DIR.value, "ask")
    askers = {
        "--user": USER.value,
        "--users_file": USERS_FILE.value,
        "--all_users": ALL_USERS.value,
        "--history": HISTORY.present,
    }
    given = [flag for flag, value in askers.items() if value]
    item, similar_users, file = ITEM.value, SIMILAR_USERS.value, OUTPUT_FILE.value
    asks_for_lists = given and not item and not similar_users

    def refuse_if(is_wrong: Any, reason: str) -> None:
        if is_wrong:
            raise InputError(reason)

    refuse_if(
        not given and not item,
        "nothing is asked: give --user=ID, --item=ID, --history=ITEMS or --all_users",
    )
    refuse_if(len(given) > 1, f"{' and '.join(given)}: leave out one")
    refuse_if(K.value < 1, f"--k={K.value}: ask for at least 1")
    refuse_if(K.value >= 2**31, f"--k={K.value}: ask for at most {2**31 - 1}")
    refuse_if(
        (ALL_USERS.value or USERS_FILE.value) and not file,
        "lists of many users go to a file: add --output_file=FILE.csv or FILE.jsonl",
    )
    refuse_if(
        file and not file.lower().endswith((".csv", ".jsonl")),
        f"--output_file={file}: end it in .csv or .jsonl",
    )
    refuse_if(
        file and not asks_for_lists,
        "--output_file holds what is recommended to users: leave out --item and --similar_users",
    )
    refuse_if(
        similar_users and (not USER.value or item),
        "--similar_users needs --user=ID and no --item",
    )
    refuse_if(
        HISTORY.present and (item or similar_users or file),
        "--history asks for a list, on the screen: leave out --item, --similar_users and "
        "--output_file",
    )
    refuse_if(
        EXPLAIN.value and (not asks_for_lists or HISTORY.present or file),
        "--explain goes with what is recommended to --user, on the screen",
    )


def _refuse_header(file: str, names: Sequence[str], known: Vocabulary, role: str) -> None:
    """Refuse a file of names whose first one is what columns of such names are called."""
    is_header = plain_name(names[0]) in USUAL_NAMES[role]
    if is_header and known.row(names[0]) == UNKNOWN:
        raise InputError(f"{file}:1: {names[0]!r} names a column and no {role}; drop this line")


def _note_unknown(what: str, names: Sequence[str], ids: Callable[..., Any]) -> None:
    """Say how many of these users or items the run does not know."""
    unknown = [n for n, row in zip(names, ids(names, "skip").tolist(), strict=True) if row < 0]
    if unknown:
        say(f"the run does not know {len(unknown):,} of the {what}, such as '{unknown[0]}'")
