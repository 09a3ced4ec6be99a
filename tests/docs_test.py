"""The Markdown files: links, widths, flags, and every example of docs/extending.md, run."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field

import numpy as np
import pytest

import helpers
from helpers import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
EXTENDING = ROOT / "docs" / "extending.md"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SCRIPTS = ("train.py", "eval.py", "recommend.py", "export.py", "convert.py")
# flags of pip, TensorBoard and docker, and those that only a benchmark has
OTHER_FLAGS = {"logdir", "rounds", "embedding_dims", "run_dirs", "help", "figure", "device", "size"}
# as quick as training can be; what a command of the page says itself counts
QUICK = ("--epochs=1", "--embedding_dim=4", "--nojit_compile", "--tensorboard=off")


def is_fence(line):
    return line.lstrip().startswith("```")


def prose(page):
    """The (number, line) pairs of a page outside its fenced blocks."""
    in_block = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if is_fence(line):
            in_block = not in_block
        elif not in_block:
            yield number, line


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page):
    return {slug(line.lstrip("#").strip()) for _, line in prose(page) if re.match("#+ ", line)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    dead = []
    for number, line in prose(page):
        for target in LINK.findall(line):
            path, _, anchor = target.partition("#")
            if re.match("[a-z]+:", target):
                continue
            place = (page.parent / path).resolve() if path else page
            if not place.exists() or (anchor and anchor not in anchors(place)):
                dead.append(f"{page.name}:{number}: {target}")
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_at_most_120_wide(page):
    """But for tables, code, and lines with an address that cannot be broken."""
    wide = [
        f"{page.name}:{number}"
        for number, line in prose(page)
        if len(line) > 120 and not line.lstrip().startswith("|") and "://" not in line
    ]
    assert wide == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_whole(page):
    """A row right below an empty line has to be a header: the next line draws its rule."""
    lines = ["", *page.read_text(encoding="utf-8").splitlines()]
    torn = [
        f"{page.name}:{number}"
        for number, (before, line, after) in enumerate(
            zip(lines, lines[1:], [*lines[2:], ""], strict=False), 1
        )
        if line.lstrip().startswith("|")
        and not before.strip()
        and not re.fullmatch(r"\s*\|[-:| ]+", after)
    ]
    assert torn == []


def test_the_readme_is_a_welcome():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 240


def test_the_readme_leads_to_every_page():
    targets = set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} <= targets


@pytest.mark.parametrize("name", ["quickstart.py", "my_loss.py", "my_model.py"])
def test_the_readme_shows_the_examples_as_they_are(name):
    code = (ROOT / "examples" / name).read_text(encoding="utf-8")
    # below the docstring and the imports, which the text replaces
    code = code.split('"""\n', 1)[1].strip()
    if name != "quickstart.py":
        code = re.sub(r"^(import|from) .*\n+", "", code, flags=re.M)
    assert code in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def known_flags(tmp_path_factory):
    """Names of the flags of all scripts, from their --help."""
    folder = tmp_path_factory.mktemp("help")
    texts = [helpers.run_script(folder, script, "--help")[1] for script in SCRIPTS]
    return set(re.findall(r"--(?:\[no\])?([a-z_]+)", " ".join(texts)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_exist(page, known_flags):
    renamed = page.read_text(encoding="utf-8").partition("## Changed names and flags")[0]
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z_]+)", renamed))
    unknown = {
        name
        for name in named - OTHER_FLAGS
        if name not in known_flags and name.removeprefix("no") not in known_flags
    }
    assert unknown <= {"note"} if page == EXTENDING else not unknown


@dataclass
class Example:
    """A section of docs/extending.md.

    Attributes:
        title: its heading.
        files: (first line without its #, code) of its Python blocks.
        commands: lines of its bash blocks.
    """

    title: str
    files: list[tuple[str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def examples():
    """The sections of docs/extending.md with files and commands."""
    found, block, language = [], [], None
    for line in EXTENDING.read_text(encoding="utf-8").splitlines():
        if language is None and line.startswith("## "):
            found.append(Example(line.removeprefix("## ")))
        elif line.startswith("```") and language is None:
            block, language = [], line.removeprefix("```")
        elif line.startswith("```"):
            if language == "python":
                assert block[0].startswith("# "), f"{found[-1].title}: no file name"
                found[-1].files.append((block[0].removeprefix("# "), "\n".join(block[1:]) + "\n"))
            elif language == "bash":
                found[-1].commands += block
            language = None
        elif language is not None:
            block.append(line)
    return [example for example in found if example.files]


def in_processes(example):
    """Whether the example changes mfrec itself, so that its commands run in processes."""
    return any("/" in place for place, _ in example.files)


EXAMPLES = examples()
IDS = [example.title.replace(" ", "_") for example in EXAMPLES]


def write_ratings(path):
    """Some 600 ratings of half stars with times, of 40 users and 30 items."""
    data = helpers.planted(40, 30, 600, rank=2)
    ratings = np.clip(np.round(2 * data.ratings) / 2, 1, 5)
    rows = zip(data.user_ids, data.item_ids, ratings, range(len(ratings)), strict=True)
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "userId,movieId,rating,timestamp\n" + "".join(f"u{u},i{i},{r},{t}\n" for u, i, r, t in rows)
    )


def insert(path, name, code):
    """Adds code at the end of a class, or of the table that is assigned to a name."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for node in ast.parse("".join(lines)).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            last, indent = node.end_lineno, "    "
            break
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == name:
            last, indent, code = node.end_lineno, " " * 8, code.rstrip() + ",\n"
            while lines[last - 1].strip() in (")", "}", "]"):
                last -= 1
            break
    else:
        raise AssertionError(f"{path} has no {name}")
    lines.insert(last, textwrap.indent(code, indent))
    path.write_text("".join(lines), encoding="utf-8")


def run_in_a_copy(folder, files, script, given):
    """Runs a script of a copy of mfrec that has these changes."""
    if not (folder / "mfrec").exists():
        shutil.copytree(ROOT / "mfrec", folder / "mfrec")
        shutil.copy(ROOT / script, folder)
        for place, code in files:
            file, _, name = place.partition(", in ")
            insert(folder / file, name, code)
    done = subprocess.run(
        [sys.executable, script, *given],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, id=name, marks=[pytest.mark.slow] if in_processes(example) else [])
        for example, name in zip(EXAMPLES, IDS, strict=True)
    ],
)
def test_an_example_of_the_page_runs(example, tmp_path):
    """Its files are written, its commands run, and what they name stands in config.json."""
    write_ratings(tmp_path / "ratings.csv")
    write_ratings(tmp_path / "books" / "ratings.csv")
    assert example.commands, "no command shows what it is for"
    changes_mfrec = in_processes(example)
    for place, code in example.files if not changes_mfrec else ():
        (tmp_path / place).write_text(code, encoding="utf-8")
    for number, command in enumerate(example.commands):
        script, *given = command.removeprefix("python ").split()
        named = dict(flag.removeprefix("--").split("=", 1) for flag in given if "=" in flag)
        flags = list(given)
        if script == "train.py":
            flags += [flag for flag in QUICK if flag.removeprefix("--").split("=")[0] not in named]
            run_dir = named.setdefault("run_dir", f"run-{number}")
            flags.append(f"--run_dir={run_dir}")
        if changes_mfrec:
            code, err = run_in_a_copy(tmp_path, example.files, script, flags)
        else:
            code, _, err = helpers.run_script(tmp_path, script, *flags)
        assert code == 0, f"{command}\n{err}"
        if script == "train.py":
            del named["run_dir"]
            config = (tmp_path / run_dir / "config.json").read_text(encoding="utf-8")
            assert all(value in config for value in named.values()), config
            results = (tmp_path / run_dir / "results.json").read_text(encoding="utf-8")
            assert named.get("metrics", "").rpartition(":")[2] in results


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_an_example_is_short(example):
    most = 30 if "model" in example.title else 15
    for place, code in example.files:
        assert sum(bool(line.strip()) for line in code.splitlines()) < most, place
