"""Settings into a split: which flags choose the test part, and how it is cut."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mfrec import own_code
from mfrec.config.settings import NO_CANDIDATES, Config
from mfrec.data import datasets, positives, splitters
from mfrec.data.candidates import read_candidates
from mfrec.data.held_out import count_shared_pairs, warn_of_strangers
from mfrec.data.interactions import Interactions
from mfrec.data.loading import Source
from mfrec.data.shards.manifest import is_converted
from mfrec.data.splits import Split, SplitRecipe, count_of
from mfrec.data.splitters import Splitter
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError, did_you_mean

READY_MADE = "ready-made"


def complete(config: Config) -> Config:
    """Return the settings with the name of the split in them.

    Args:
        config: names a data set or files of ratings.

    Raises:
        InputError: settings about the split that contradict each other, or no such split.
    """
    _check_test_part(config)
    splitter = _splitter(config)
    if splitter is None:
        _check_fixed(config)
    else:
        _check_splitter(config, splitter)
    if config.training.refit and not _has_validation(config, splitter):
        remedy = "add --validation_fraction=0.1"
        if config.split.validation_fraction == 0:
            remedy = "leave out --validation_fraction=0"
        raise InputError(f"--refit needs a validation part to choose the epochs on; {remedy}")
    # what others cut has no name here: ready-made parts, folds, a converted folder
    is_cut = config.data.train_ratings is not None or is_converted(config.data.ratings)
    is_named = not is_cut and not _is_folds(config)
    return config.replace({"split": _name(config)}) if is_named else config


def split(source: Source, config: Config) -> Split:
    """Return the training, validation and test part; see `recipe`."""
    return recipe(source, config).encode()


def recipe(source: Source, config: Config) -> SplitRecipe:
    """Select the rows that count and split them as the settings say.

    Raises:
        InputError: the data do not have this split, or it leaves no rows.
    """
    parts = _given_parts(source, config)
    selected = {name: _select(name, part, config) for name, part in parts.items()}
    cut = _cut({name: selection.rows for name, selection in selected.items()}, config)
    notes = tuple(
        note if name == "all" else f"{name}: {note}"
        for name, selection in selected.items()
        for note in selection.notes
    )
    catalogue, held_out, candidates = _catalogue_and_candidates(source, config)
    return replace(
        cut,
        repeated_pairs=cut.repeated_pairs + sum(s.repeated_pairs for s in selected.values()),
        notes=notes + cut.notes,
        warnings=(*source.warnings, *_warn_of_candidates(cut, held_out, candidates)),
        num_missing=source.num_missing,
        catalogue=catalogue,
        candidates=candidates,
    )


def check_parts(recipe: SplitRecipe, config: Config) -> SplitRecipe:
    """Refuse a split that leaves nothing to test, unless the user wants no test part.

    Data that are too small for the default split may be trained on all the same.

    Returns:
        The recipe, with a warning for each part that was to be made and has no rows.

    Raises:
        InputError: there is no test part, or no validation part for a refit.
    """
    splitter, given = _splitter(config), _settings(config)
    if splitter is None or not len(recipe.train):
        return recipe
    num_rows = len(recipe.train) + len(recipe.validation or ()) + len(recipe.test or ())
    found = "; ".join((count_of(num_rows, "rating"), *recipe.notes))
    warnings = recipe.warnings
    if not len(recipe.test or ()) and given.get("test_fraction", 1.0) != 0:
        line = f"{_place(config)} leaves nothing to test ({found})"
        if splitter.name != "random" or "test_fraction" in given:
            remedy = "take another split or bring more ratings"
            if "test_fraction" in splitter.takes:
                remedy += "; --test_fraction=0 trains without a test"
            raise InputError(f"{line}: {remedy}")
        warnings += (line,)
    if not len(recipe.validation or ()) and _has_validation(config, splitter):
        line = f"{_place(config)} leaves no validation part to choose the epochs on"
        if config.training.refit:
            raise InputError(f"{line} ({found}), which --refit needs: bring more ratings")
        warnings += (f"{line}: their number is fixed in advance",)
    return replace(recipe, warnings=warnings)


def _select(name: str, part: Interactions, config: Config) -> positives.Selection:
    """The rows of a part that count; an error names a part that is not all."""
    try:
        return positives.select(part, config.positives)
    except InputError as error:
        if name == "all":
            raise
        raise InputError(f"{name} part: {error}") from None


def describe(config: Config) -> str:
    """Return the split in a few words, for tables and results.json."""
    cut, splitter, given = config.split, _splitter(config), _settings(config)
    seed = f", seed {config.training.seed}"
    share = f", {cut.validation_fraction:g} of it for validation" if cut.validation_fraction else ""
    if splitter is None:
        return _name(config) + share
    if _is_folds(config):
        folds = f"fold {cut.fold} of {cut.num_folds}"
        if cut.cross_validate:
            folds = f"{cut.num_folds} random folds"
        if cut.fold_by == "users":
            tested = given.get("test_fraction", splitter.takes["test_fraction"])
            folds += f" by users, {tested:g} of each tested"
        return folds + seed + share
    if "validation_fraction" in splitter.takes:
        share = ""
    else:
        given.pop("validation_fraction", None)
    return splitter.describe(given) + (seed if splitter.draws else "") + share


def _cut(parts: Mapping[str, Interactions], config: Config) -> SplitRecipe:
    """The parts, all in one or already apart, as a recipe."""
    seed, splitter = config.training.seed, _splitter(config)
    if splitter is not None:
        return splitters.cut(parts["all"], splitter, seed, **_settings(config))
    fraction = config.split.validation_fraction or 0.0
    made = splitters.ready_made(parts["train"], parts.get("validation"), parts.get("test"))
    return splitters.with_validation(made, seed, fraction)


def _given_parts(source: Source, config: Config) -> Mapping[str, Interactions]:
    """All ratings under "all", or the parts of a split that somebody else has made."""
    if _splitter(config) is not None or "all" not in source.parts:
        return source.parts
    ratings = source.parts["all"]
    data_dir = config.data.data_dir or datasets.default_data_dir()
    train, test = datasets.predefined_split(source.name, ratings, _name(config), data_dir)
    return {"train": train, "test": test}


def _catalogue_and_candidates(
    source: Source, config: Config
) -> tuple[Vocabulary | None, Interactions | None, Interactions | None]:
    """The items besides the training part's, and from a file of fixed negatives the pairs that it
    holds out and the negatives; None without any.
    """
    path = config.evaluation.candidates
    catalogue = held_out = candidates = None
    if _name(config) == datasets.PUBLISHED:
        catalogue, candidates = source.catalogue, source.candidates
    if path is not None:
        candidates = None
    if path not in (None, NO_CANDIDATES):
        held_out, candidates = read_candidates(path)
        for listed in (held_out.items, candidates.items):
            catalogue = listed if catalogue is None else catalogue.extended(listed)
    if "item" in source.features:
        described = source.features["item"].rows
        catalogue = described if catalogue is None else catalogue.extended(described)
    return catalogue, held_out, candidates


def _warn_of_candidates(
    cut: SplitRecipe, held_out: Interactions | None, candidates: Interactions | None
) -> list[str]:
    """Say so if the fixed negatives are those of other ratings or of another split."""
    if candidates is None:
        return []
    warnings = warn_of_strangers("candidates", candidates.items, cut.train.items, "the ratings")
    trained_on = count_shared_pairs(cut.train, candidates)
    if trained_on:
        warnings.append(
            f"{trained_on:,} of {len(candidates):,} negatives are pairs of the training part: they "
            "are learnt as positives, so do the negatives belong to another split?"
        )
    if held_out is not None and cut.test is not None:
        tested = count_shared_pairs(cut.test, held_out)
        if 2 * tested < len(held_out):
            warnings.append(
                f"{len(held_out) - tested:,} of {len(held_out):,} pairs that the negatives go with "
                "are not in the test part: the negatives belong to another split"
            )
    return warnings


def _is_folds(config: Config) -> bool:
    return config.split.cross_validate or config.split.fold is not None


def _name(config: Config) -> str:
    """What defines the test part, as --split names it; folds and files have names of their own."""
    if config.data.train_ratings is not None:
        return READY_MADE
    if _is_folds(config):
        return splitters.FOLDS[config.split.fold_by].name
    if config.split.split is not None:
        return config.split.split
    return datasets.PUBLISHED if datasets.PUBLISHED in _predefined(config) else "random"


def _splitter(config: Config) -> Splitter | None:
    """What cuts the split from all ratings; None if somebody else has cut it already."""
    if config.data.train_ratings is not None:
        return None
    if _is_folds(config):
        return splitters.FOLDS[config.split.fold_by]
    name = _name(config)
    is_ours = name in splitters.REGISTRY or own_code.is_address(name)
    return splitters.get(name) if is_ours else None


def _predefined(config: Config) -> tuple[str, ...]:
    """The names of the data set's own splits."""
    name = config.data.dataset
    return datasets.predefined_splits(name) if name else ()


def _settings(config: Config) -> dict[str, Any]:
    """The settings of a splitter that the user has given, by name."""
    cut = config.split
    names = ["validation_fraction", "test_fraction", "fold_in_fraction"]
    if _is_folds(config):
        names += ["fold", "num_folds"]
    given = {name: getattr(cut, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _has_validation(config: Config, splitter: Splitter | None) -> bool:
    fraction = config.split.validation_fraction
    if fraction is None and splitter is not None:
        # The default may be None, as for leave_last_out, which makes one all the same.
        return splitter.takes.get("validation_fraction", 0.0) != 0
    return config.data.validation_ratings is not None or bool(fraction)


def _check_test_part(config: Config) -> None:
    """Refuse two flags that each define the test part, and unknown splits."""
    cut, data = config.split, config.data
    flags = {
        "--cross_validate": cut.cross_validate,
        "--fold": cut.fold is not None,
        f"--split={cut.split}": cut.split not in (None, "random"),
        "--train_ratings": data.train_ratings is not None,
    }
    given = [flag for flag, is_given in flags.items() if is_given]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} each define the test part; give one of them")
    known = (*splitters.REGISTRY, *_predefined(config))
    if cut.split is not None and cut.split not in known and not own_code.is_address(cut.split):
        what = data.dataset or "a file of ratings"
        raise InputError(
            f"--split={cut.split}: {what} has no such split{did_you_mean(cut.split, known)}; "
            "one of your own is FILE.py:function or package.module:function"
        )
    if cut.fold_by == "users" and not _is_folds(config):
        raise InputError("--fold_by=users needs folds; add --cross_validate or --fold=0")


def _check_fixed(config: Config) -> None:
    """Refuse settings that would change a split that is made already."""
    _refuse_untaken(config, ("test_fraction", "fold_in_fraction"))
    for name in ("min_user_interactions", "min_item_interactions"):
        number = getattr(config.positives, name)
        if number > 1:
            raise InputError(
                f"--{name}={number} would take rows out of a split that is made already "
                f"({_name(config)}); leave it out, or split by --split=random and such"
            )


def _check_splitter(config: Config, splitter: Splitter) -> None:
    """Refuse settings that mean nothing to a splitter, and needs that are not met."""
    if "item_features" in splitter.needs and not config.data.item_features:
        raise InputError(
            f"--split={splitter.name} holds out whole items, which only features tell apart; add "
            "--item_features=FILE"
        )
    untaken = (name for name in ("test_fraction", "fold_in_fraction") if name not in splitter.takes)
    _refuse_untaken(config, untaken)
    describe(config)  # refuses settings that contradict the splitter
    if config.split.test_fraction == 0 and _is_folds(config):
        raise InputError("--test_fraction=0 leaves nothing to test in a fold; make it more")
    if "fold_in_fraction" in splitter.takes:
        if config.training.init_from:
            raise InputError(
                f"--init_from with --split={splitter.name}: users that the earlier run knows are "
                "not held out; leave one of them out"
            )
        if config.evaluation.candidates not in (None, NO_CANDIDATES):
            raise InputError(
                f"--candidates with --split={splitter.name}: held-out users are ranked against the "
                "full catalogue; leave one of them out"
            )


def _refuse_untaken(config: Config, names: Iterable[str]) -> None:
    for name in names:
        if getattr(config.split, name) is not None:
            raise InputError(f"--{name} means nothing with {_place(config)}; leave one of them out")


def _place(config: Config) -> str:
    """The flag that defines the test part."""
    if config.data.train_ratings is not None:
        return "--train_ratings"
    if _is_folds(config):
        return "--cross_validate" if config.split.cross_validate else "--fold"
    return f"--split={_name(config)}"
