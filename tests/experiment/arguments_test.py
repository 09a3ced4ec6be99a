"""What the functions of the package take from Python: paths, truth values, numbers, columns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mfrec
from mfrec import models
from mfrec.data.interactions import Interactions
from mfrec.data.readers import read_ratings
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.training.fold_in import FoldIn

USERS = [k % 9 for k in range(60)]
ITEMS = [100 + k * 7 % 11 for k in range(60)]
RATINGS = Interactions.from_arrays(USERS, ITEMS, [k % 5 + 1.0 for k in range(60)])


@pytest.fixture(scope="module")
def trainer():
    return mfrec.train(RATINGS, embedding_dim=2, epochs=1, run_eagerly=True)


@pytest.fixture(scope="module")
def recommender(trainer):
    return trainer.recommender()


def test_only_true_and_false_are_truth_values(trainer, recommender, tmp_path):
    calls = {
        "exclude_seen": [
            lambda value: recommender.recommend(1, exclude_seen=value),
            lambda value: recommender.recommend_all([1], exclude_seen=value),
            lambda value: recommender.recommend_from_history([100], [3], exclude_seen=value),
        ],
        "fall_back": [lambda value: recommender.predict(1, 100, fall_back=value)],
        "overwrite": [
            lambda value: trainer.save(tmp_path / "run", overwrite=value),
            lambda value: mfrec.export.npy(recommender, tmp_path / "vectors", overwrite=value),
        ],
        "allow_code": [lambda value: mfrec.Recommender.load(tmp_path, allow_code=value)],
        "mask_seen": [lambda value: mfrec.RankingEvaluator(RATINGS, mask_seen=value)],
        "use_bias": [lambda value: mfrec.MatrixFactorization(2, 3, use_bias=value)],
        "clip_predictions": [lambda value: mfrec.MatrixFactorization(2, 3, clip_predictions=value)],
    }
    for name, functions in calls.items():
        for function in functions:
            for value in ("False", 1):
                with pytest.raises(InputError, match=f"^{name}={value!r}: give True or False"):
                    function(value)
    assert len(recommender.recommend(1, exclude_seen=np.bool_(False), k=20)) == 11


def test_rows_of_nothing_are_refused():
    for role in ("user", "item"):
        with pytest.raises(InputError, match=f"^{role}_ids=False leaves {role}s nothing but feat"):
            mfrec.train(RATINGS, run_eagerly=True, epochs=1, **{f"{role}_ids": False})
        with pytest.raises(InputError, match=f"^{role}_ids=False leaves {role}s nothing but feat"):
            models.MatrixFactorization(2, 3, **{f"{role}_ids": False})


def test_to_rating_takes_any_number(recommender):
    for score in (3, 3.0, np.int64(3), np.float32(3), tf.constant(3.0)):
        assert recommender.to_rating(score) == 3.0
    for score in (True, "3", None, [3.0], float("nan"), object()):
        with pytest.raises(InputError, match="^score=.*: give one finite number"):
            recommender.to_rating(score)


def test_paths_are_text_or_paths(trainer, recommender):
    calls = (
        read_ratings,
        mfrec.Recommender.load,
        trainer.save,
        lambda path: mfrec.export.npy(recommender, path),
    )
    for call in calls:
        for path in (pd.DataFrame(), 5, None, b"x.csv"):
            with pytest.raises(InputError, match="of type .*; give a path"):
                call(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratings_format": "matrx"}, "--ratings_format=matrx: unknown; did you mean matrix"),
        ({"ratings_format": None}, "--ratings_format needs a value"),
        ({"delimeter": ","}, "unknown option 'delimeter'; did you mean delimiter"),
        ({"delimiter": [","]}, "--delimiter=…: not of type str"),
        ({"user_column": ["a"]}, "--user_column=…: not of type str"),
        ({"user_column": True}, "--user_column=True: not of type str"),
        ({"header": "False"}, "header='False': give True or False"),
    ],
)
def test_options_of_read_ratings(tmp_path, options, message):
    (tmp_path / "m.txt").write_text("5 4 3\n1 2 3\n")
    with pytest.raises(InputError, match=message):
        read_ratings(tmp_path / "m.txt", **options)
    columns = {"user_column": np.int64(1), "item_column": 0, "header": False}
    assert read_ratings(tmp_path / "m.txt", **columns).users.raw_ids == ("4", "2")


def test_one_column_in_two_roles_is_refused():
    columns = {"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [3, 4]}
    for frame in (pd.DataFrame(columns), pl.DataFrame(columns), columns):
        with pytest.raises(InputError, match="column 'user_id' as user and as item; name another"):
            Interactions.from_dataframe(frame, "user_id", "user_id", None)
        # a column that is something else already is no time by default
        rows = Interactions.from_dataframe(frame, rating_column="timestamp")
        assert rows.ratings.tolist() == [3, 4] and rows.timestamps is None


def test_halves_of_characters_are_no_ids():
    with pytest.raises(InputError, match=r"user id at position 1 is '\\ud800', which UTF-8"):
        Interactions.from_arrays(["a", "\ud800"], [1, 2])
    assert Interactions.from_arrays(["😀"], ["ü"]).users.raw_ids == ("😀",)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        (["1", "4,5"], "ratings must be numbers: rating at position 1 is '4,5'; write 4.5$"),
        (np.array(["1", ""]), "rating at position 1 is '', which is empty; drop such rows first"),
        (pd.Series(["1", "x"], index=[7, 8]), "rating at position 1 is 'x'$"),
        ([1, [2]], r"rating at position 1 is \[2\] \(list\)"),
    ],
)
def test_what_is_no_number_is_named_with_its_position(ratings, message):
    with pytest.raises(InputError, match=message):
        Interactions.from_arrays([1, 2], [1, 2], ratings)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[5], [1, 2]], "row 1 has another length, 2, than row 0, 1; give NaN where nothing is"),
        ([[5, 4], 3], "row 1 has another length, 1, than row 0, 2"),
        ([[5, None], [1, "4,5"]], "row 1, column 1 holds '4,5'; write 4.5"),
        (pd.DataFrame({"a": [1, 2], "b": [None, "x"]}, ["u", "v"]), "row 1, column 1 holds 'x'"),
    ],
)
def test_cells_that_are_no_numbers(matrix, message):
    with pytest.raises(InputError, match=f"a matrix of ratings holds numbers: {message}"):
        Interactions.from_matrix(matrix)


def test_names_of_rows_in_a_dict():
    with pytest.raises(InputError, match="^row names: a dict; give a list of them"):
        Interactions.from_matrix([[5, 4], [3, 2]], users={"a": 0, "b": 1})


def test_histories_to_fold_in(trainer, recommender):
    fold_in = recommender.fold_in
    assert fold_in.of_interactions(Interactions.from_arrays(["n"], [100], [5])).shape[0] == 1
    with pytest.raises(InputError, match="rating 500 of item '100': the run's are from 1 to 5"):
        fold_in.of_interactions(Interactions.from_arrays(["n"], [100], [500.0]))
    with pytest.raises(InputError, match="the history has no ratings, which loss 'mse' learns"):
        fold_in.of_interactions(Interactions.from_arrays(["n"], [100]))
    with pytest.raises(InputError, match="histories: a DataFrame; give Interactions.from_data"):
        fold_in.of_interactions(pd.DataFrame({"user_id": [1]}))
    # held-out users may rate beyond the range of training
    assert isinstance(fold_in, FoldIn)
    fold_in.model_of(Interactions.from_arrays(["n"], [100], [5.5]))
