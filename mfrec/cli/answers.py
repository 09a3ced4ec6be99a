"""Answers of a recommender, for people and for programs: tables, JSON, and files of many lists."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mfrec import terminal
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.files import replacing
from mfrec.lines import CsvWriter, as_no_formula
from mfrec.progress import Progress
from mfrec.serving.histories import most_commas, parse_history
from mfrec.serving.ranked import RankedItem, RankedUser, UserList
from mfrec.serving.recommender import Recommender
from mfrec.terminal import left, number, visible

_REASONS_IN_A_LIST = 3
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        content: as printed in JSON; a list is an array of objects with rank, item (or user), label
            and score, with "rating" where ratings are predicted and "because", a list of items,
            if explanations were requested.
        title: the heading of the table.
        rows: the list of `content` that the table shows.
        column: the value of the rows that the table shows.
        heading: the heading of that column.
        note: a remark for standard error, mostly "".
    """

    content: dict[str, Any]
    title: str
    rows: list[dict[str, Any]]
    column: str = "score"
    heading: str = "score"
    note: str = ""

    def as_json(self) -> str:
        """Return the content as one line."""
        return _json(self.content)

    def as_table(self) -> str:
        """Return the table; items of the history are indented below the item they speak for."""
        title = visible(self.title)
        if not self.rows:
            return f"{title}\n  nothing"
        what = "user" if "user" in self.rows[0] else "item"
        names = [visible(row[what]) for row in self.rows]
        width = max(map(terminal.width, [what, *names]))
        # the score of popular items is a number of users
        spec = ".0f" if self.heading == "users" else _spec(self.rows, self.column)
        values = [number(row[self.column], spec) for row in self.rows]
        wide = max(len(self.heading), *map(len, values))
        reasons = _spec([reason for row in self.rows for reason in row.get("because", ())], "score")
        lines = [title, f"rank  {self.heading:>{wide}}  {what}"]
        for row, name, value in zip(self.rows, names, values, strict=True):
            label = "" if row["label"] == row[what] else f"  {visible(row['label'])}"
            line = f"{row['rank']:>4}  {value:>{wide}}  {left(name, width)}{label}"
            lines.append(line.rstrip())
            lines += [
                f"{'':{wide + width + 8}}  {reason['score']:+{reasons}} {visible(reason['label'])}"
                for reason in row.get("because", ())
            ]
        return "\n".join(lines)


def recommended(recommender: Recommender, found: UserList, explain: bool = False) -> Answer:
    """Return what is recommended to a user.

    Args:
        recommender: it made the list.
        found: the user's list.
        explain: whether the items of the user's history that speak for each are shown below it.
    """
    if found.user_id == UNKNOWN:
        title = f"the items that most users have, for user {found.user}, unknown to the run"
        rows = _plain(found.items)
        return Answer({"user": found.user, "items": rows}, title, rows, heading="users")
    title = f"recommended to user {_shown(recommender.users, found.user_id)}"
    answer = _listed(recommender, {"user": found.user}, title, found.items)
    if explain:
        user = recommender.users.raw_ids[found.user_id]
        for row in answer.rows:
            row["because"] = _plain(recommender.explain(user, row["item"], _REASONS_IN_A_LIST))
    return answer


def recommended_from_history(recommender: Recommender, text: str, *options: Any) -> Answer:
    """Return what is recommended to a new user with this history.

    Args:
        recommender: makes the list.
        text: as `parse_history` reads it.
        options: those of `Recommender.recommend_from_history` from k on.

    Raises:
        InputError: no item that the run knows, or some items have a rating and others none.
    """
    items = recommender.items
    history, unknown = parse_history(
        text, lambda name: items.row(name) != UNKNOWN, most_commas(items)
    )
    named = ", ".join(f"'{name}'" for name in unknown[:_NAMES_SHOWN])
    if len(unknown) > _NAMES_SHOWN:
        named += f" and {len(unknown) - _NAMES_SHOWN:,} more"
    if not history:
        what = "empty; give one item or more"
        if unknown:
            what = f"the run knows no item {named}; give raw ids or labels that it was trained with"
        raise InputError(f"--history: {what}")
    names, ratings = zip(*history, strict=True)
    unrated = [item for item, rating in history if rating is None]
    if unrated and len(unrated) < len(history):
        raise InputError(f"--history: item '{unrated[0]}' has no rating, others have one")
    found = recommender.recommend_from_history(names, None if unrated else ratings, *options)
    number = "1 item" if len(names) == 1 else f"{len(names)} items"
    title = f"recommended to somebody with a history of {number}"
    content = {
        "history": [{"item": item, "rating": rating} for item, rating in history],
        "unknown": unknown,
    }
    note = f"the run does not know {named} of the history; the rest is used" if unknown else ""
    return replace(_listed(recommender, content, title, found), note=note)


def _listed(
    recommender: Recommender, content: dict[str, Any], title: str, items: Sequence[RankedItem]
) -> Answer:
    """Return a list by the model's scores, with the ratings that they stand for."""
    rows = _plain(items)
    column = "rating" if recommender.predicts_ratings else "score"
    for row in rows:
        row[column] = recommender.to_rating(row["score"])
    return Answer(content | {"items": rows}, title, rows, column, column)


def similar_items(recommender: Recommender, item: str, k: int) -> Answer:
    """Return the items nearest to one, by cosine."""
    rows = _plain(recommender.similar_items(item, k))
    title = f"similar to item {_shown(recommender.items, recommender.items.row(item))}"
    return Answer({"item": item, "items": rows}, title, rows, heading="cosine")


def similar_users(recommender: Recommender, user: str, k: int) -> Answer:
    """Return the users nearest to one, by cosine."""
    rows = _plain(recommender.similar_users(user, k))
    title = f"similar to user {_shown(recommender.users, recommender.users.row(user))}"
    return Answer({"user": user, "users": rows}, title, rows, heading="cosine")


def predicted(
    recommender: Recommender, user: str, item: str, k: int, on_unknown: str
) -> Answer | None:
    """Return the rating or score of a user and an item, and the k items that speak most for it.

    Args:
        recommender: makes the prediction.
        user: raw id or label.
        item: raw id or label.
        k: the largest number of items that speak for it.
        on_unknown: for an unknown user or item: "error"; "popular", a prediction from the parts of
            the score that are known; "skip", None.
    """
    user_id = int(recommender.user_ids([user], on_unknown)[0])
    item_id = int(recommender.item_ids([item], on_unknown)[0])
    is_known = UNKNOWN not in (user_id, item_id)
    if on_unknown == "skip" and not is_known:
        return None
    value = recommender.predict(user, item, fall_back=True)
    what = "rating" if recommender.predicts_ratings else "score"
    is_explained = is_known and recommender.model.has_vectors
    rows = _plain(recommender.explain(user, item, k)) if is_explained else []
    user_shown = user if user_id == UNKNOWN else _shown(recommender.users, user_id)
    item_shown = item if item_id == UNKNOWN else _shown(recommender.items, item_id)
    title = f"user {user_shown}, item {item_shown}: {what} {number(value)}"
    if not is_known:
        title += ", without what the run does not know of them"
    content = {"user": user, "item": item, what: value, "because": rows}
    return Answer(content, title, rows, heading="speaks for it")


def write(path: str | Path, lists: Iterable[UserList], num_users: int) -> None:
    """Write lists to a file as they come; the file appears when it is complete.

    `.csv` has a line `user,rank,item,label,score` for each row, `.jsonl` an object
    `{"user", "items": [{"rank", "item", "label", "score"}, …]}` for each user. Labels that a
    spreadsheet would take for formulas begin with an apostrophe in `.csv`; ids never do.

    Args:
        path: the file, with one of these endings.
        lists: the users' lists.
        num_users: the number of lists, for the progress bar.

    Raises:
        InputError: it cannot be written.
    """
    is_csv = Path(path).suffix.lower() == ".csv"
    with (
        replacing(path) as target,
        target.open("w", encoding="utf-8", newline="") as file,
        Progress("recommending", num_users, "users") as progress,
    ):
        table = CsvWriter(file)
        if is_csv:
            table.row("user", "rank", "item", "label", "score")
        for done, found in enumerate(lists):
            progress.update(done)
            if is_csv:
                for item in found.items:
                    label = item.label if item.label == item.item else as_no_formula(item.label)
                    table.row(found.user, item.rank, item.item, label, item.score)
            else:
                file.write(_json({"user": found.user, "items": _plain(found.items)}) + "\n")


def _spec(rows: Sequence[dict[str, Any]], column: str) -> str:
    return terminal.spec(*(row[column] for row in rows))


def _plain(rows: Sequence[RankedItem | RankedUser]) -> list[dict[str, Any]]:
    return [dict(vars(row)) for row in rows]


def _json(content: dict[str, Any]) -> str:
    # as readable as its text is, and nothing in it acts on a terminal
    return visible(json.dumps(content, ensure_ascii=False))


def _shown(vocabulary: Vocabulary, row: int) -> str:
    """Return raw id and label of a row."""
    raw_id, label = vocabulary.raw_ids[row], vocabulary.label(row)
    return raw_id if label == raw_id else f"{raw_id} ({label})"
