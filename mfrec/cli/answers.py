"""What a recommender says, for people and for programs: tables, JSON, and files of many lists."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mfrec.data.interactions import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.files import replacing
from mfrec.progress import Progress
from mfrec.serving.histories import parse_history
from mfrec.serving.recommender import RankedItem, RankedUser, Recommender

_COLUMNS = ("rank", "item", "label", "score")
_REASONS_IN_A_LIST = 3


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        content: as JSON holds it; a list is an array of objects of rank, item (or user), label and
            score, with "rating" where ratings are predicted and "because", a list of items, where
            reasons were asked for.
        title: what it is, in words.
        rows: the list to show below it, of `content`.
        column: which of the rows' values the table shows.
        heading: what stands above them.
        note: what is to be said beside it; mostly nothing.
    """

    content: dict[str, Any]
    title: str
    rows: list[dict[str, Any]]
    column: str = "score"
    heading: str = "score"
    note: str = ""

    def as_json(self) -> str:
        """One line."""
        return _json(self.content)

    def as_table(self) -> str:
        """For people; items of the history stand below what they speak for."""
        if not self.rows:
            return f"{self.title}\n  nothing"
        what = "user" if "user" in self.rows[0] else "item"
        width = max(len(what), *(len(row[what]) for row in self.rows))
        # of popular items the score is a number of users
        digits = 0 if self.heading == "users" else 4
        values = [f"{row[self.column]:.{digits}f}" for row in self.rows]
        wide = max(len(self.heading), *map(len, values))
        lines = [self.title, f"rank  {self.heading:>{wide}}  {what}"]
        for row, value in zip(self.rows, values, strict=True):
            label = "" if row["label"] == row[what] else f"  {row['label']}"
            lines.append(f"{row['rank']:>4}  {value:>{wide}}  {row[what]:<{width}}{label}".rstrip())
            lines += [
                f"{'':{wide + width + 8}}  {reason['score']:+.4f} {reason['label']}"
                for reason in row.get("because", ())
            ]
        return "\n".join(lines)


def recommended(
    recommender: Recommender, user: str, items: Sequence[RankedItem], explain: bool = False
) -> Answer:
    """What is recommended to a user.

    Args:
        recommender: whose list it is.
        user: as named.
        items: the list.
        explain: whether items of the user's history that speak for each stand below it.
    """
    if recommender.user_ids([user], "skip")[0] == UNKNOWN:
        title = f"the items that most users have, for user {user}, whom the run does not know"
        rows = _plain(items)
        return Answer({"user": user, "items": rows}, title, rows, heading="users")
    title = f"recommended to user {_shown(recommender.users, user)}"
    answer = _listed(recommender, {"user": user}, title, items)
    if explain:
        for row in answer.rows:
            row["because"] = _plain(recommender.explain(user, row["item"], _REASONS_IN_A_LIST))
    return answer


def recommended_from_history(recommender: Recommender, text: str, *options: Any) -> Answer:
    """What is recommended to somebody new with this history.

    Args:
        recommender: whom to ask.
        text: as `parse_history` reads it.
        options: those of `Recommender.recommend_from_history` from k on.

    Raises:
        InputError: no item that the run knows, or some items have a rating and others none.
    """
    history, strangers = parse_history(text, lambda name: recommender.items.row(name) != UNKNOWN)
    named = ", ".join(f"'{name}'" for name in strangers)
    if not history:
        what = f"the run knows no item {named}" if strangers else "empty; give one item or more"
        raise InputError(f"--history: {what}")
    items, ratings = zip(*history, strict=True)
    unrated = [item for item, rating in history if rating is None]
    if unrated and len(unrated) < len(history):
        raise InputError(f"--history: item '{unrated[0]}' has no rating, others have one")
    found = recommender.recommend_from_history(items, None if unrated else ratings, *options)
    number = "1 item" if len(items) == 1 else f"{len(items)} items"
    title = f"recommended to somebody with a history of {number}"
    content = {
        "history": [{"item": item, "rating": rating} for item, rating in history],
        "unknown": strangers,
    }
    note = f"the run does not know {named} of the history; the rest is used" if strangers else ""
    return replace(_listed(recommender, content, title, found), note=note)


def _listed(
    recommender: Recommender, content: dict[str, Any], title: str, items: Sequence[RankedItem]
) -> Answer:
    """A list by the model's scores, with the ratings that these stand for."""
    rows = _plain(items)
    column = "rating" if recommender.predicts_ratings else "score"
    for row in rows:
        row[column] = recommender.served(row["score"])
    return Answer(content | {"items": rows}, title, rows, column, column)


def similar_items(recommender: Recommender, item: str, k: int) -> Answer:
    """The items nearest to one, by cosine."""
    rows = _plain(recommender.similar_items(item, k))
    title = f"similar to item {_shown(recommender.items, item)}"
    return Answer({"item": item, "items": rows}, title, rows, heading="cosine")


def similar_users(recommender: Recommender, user: str, k: int) -> Answer:
    """The users nearest to one, by cosine."""
    rows = _plain(recommender.similar_users(user, k))
    title = f"similar to user {_shown(recommender.users, user)}"
    return Answer({"user": user, "users": rows}, title, rows, heading="cosine")


def predicted(
    recommender: Recommender, user: str, item: str, k: int, on_unknown: str
) -> Answer | None:
    """The rating or score of a user and an item, and the k items that speak most for it.

    Args:
        recommender: whom to ask.
        user: raw id or label.
        item: raw id or label.
        k: reasons at most.
        on_unknown: "error"; "popular": without an unknown user or item what is left of the score;
            "skip": None.
    """
    ids = recommender.user_ids([user], on_unknown)[0], recommender.item_ids([item], on_unknown)[0]
    if UNKNOWN in ids and on_unknown == "skip":
        return None
    value = recommender.predict(user, item, fall_back=True)
    what = "rating" if recommender.predicts_ratings else "score"
    rows = [] if UNKNOWN in ids else _plain(recommender.explain(user, item, k))
    names = _shown(recommender.users, user), _shown(recommender.items, item)
    title = f"user {names[0]}, item {names[1]}: {what} {value:.4f}"
    if UNKNOWN in ids:
        title += ", without what the run does not know of them"
    content = {"user": user, "item": item, what: value, "because": rows}
    return Answer(content, title, rows, heading="speaks for it")


def write(path: str | Path, lists: Iterable[tuple[str, list[RankedItem]]], num_users: int) -> None:
    """Writes lists to a file as they come; it appears when it is complete.

    `.csv` has one `user,rank,item,label,score` line a row, `.jsonl` one object
    `{"user", "items": [{"rank", "item", "label", "score"}, …]}` a user.

    Args:
        path: the file, with one of these endings.
        lists: users and their lists.
        num_users: how many there will be, for the progress bar.

    Raises:
        InputError: it cannot be written.
    """
    is_csv = Path(path).suffix == ".csv"
    with (
        replacing(path) as target,
        target.open("w", encoding="utf-8", newline="") as file,
        Progress("recommending", num_users, "users") as progress,
    ):
        table = csv.writer(file, lineterminator="\n")
        if is_csv:
            table.writerow(("user", *_COLUMNS))
        for done, (user, items) in enumerate(lists):
            progress.update(done)
            if is_csv:
                table.writerows((user, *(getattr(item, c) for c in _COLUMNS)) for item in items)
            else:
                file.write(_json({"user": user, "items": _plain(items)}) + "\n")


def _plain(rows: Sequence[RankedItem | RankedUser]) -> list[dict[str, Any]]:
    return [dict(vars(row)) for row in rows]


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def _shown(vocabulary: Vocabulary, name: str) -> str:
    """Raw id and label of what goes by this name; the name where nothing does."""
    row = vocabulary.row(name)
    if row == UNKNOWN:
        return name
    raw_id, label = vocabulary.raw_ids[row], vocabulary.label(row)
    return raw_id if label == raw_id else f"{raw_id} ({label})"
