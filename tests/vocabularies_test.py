"""Whatever takes two interactions matches them by raw id: each in a vocabulary of its own."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import helpers
import mfrec
from mfrec.data.held_out import count_shared_pairs
from mfrec.data.interactions import Interactions
from mfrec.data.splits import Split, SplitRecipe
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.training.history import PreviousTraining

SETTINGS = {"embedding_dim": 3, "epochs": 2, "jit_compile": False, "batch_size": 64}
DATA = helpers.planted(40, 30, 700)


def renumbered(rows, seed):
    """The same rows in the same order, in vocabularies of another order."""
    random = np.random.default_rng(seed)

    def shuffled(vocabulary):
        return Vocabulary(tuple(random.permutation(vocabulary.raw_ids).tolist()))

    return rows.encode(shuffled(rows.users), shuffled(rows.items))


def of_a_frame(rows):
    """The same rows as from_dataframe would number them."""
    users = [rows.users.raw_ids[user] for user in rows.user_ids]
    items = [rows.items.raw_ids[item] for item in rows.item_ids]
    return Interactions.from_arrays(users, items, rows.ratings)


TRAIN = of_a_frame(DATA.take(slice(100, None)))
# in the vocabulary of training, in that of a frame of its own, and in a shuffled one
ENCODED = DATA.take(slice(0, 100)).encode(TRAIN.users, TRAIN.items)
OTHERS = [of_a_frame(ENCODED), renumbered(ENCODED, seed=1)]


@pytest.fixture(scope="module", params=["mse", "bpr"])
def loss(request):
    return request.param


@pytest.fixture(scope="module")
def trained(loss):
    return mfrec.train(TRAIN, ENCODED, loss=loss, **SETTINGS)


def test_the_parts_are_not_the_same_rows():
    for other in OTHERS:
        assert other.users.raw_ids != TRAIN.users.raw_ids
        assert (other.user_ids != ENCODED.user_ids).mean() > 0.9


def test_validation(trained, loss):
    for other in OTHERS:
        again = mfrec.train(TRAIN, other, loss=loss, **SETTINGS)
        assert again.history.best_epoch == trained.history.best_epoch
        assert [log.validation for log in again.history.epochs] == [
            log.validation for log in trained.history.epochs
        ]
        train, validation = again.parts
        assert train is TRAIN and validation.users is TRAIN.users
        np.testing.assert_array_equal(validation.item_ids, ENCODED.item_ids)


def test_predictions(trained):
    expected = trained.model.predict_interactions(ENCODED)
    for other in OTHERS:
        np.testing.assert_array_equal(trained.model.predict_interactions(other), expected)
    part = OTHERS[0].take(slice(7, 20)).compact()
    np.testing.assert_array_equal(trained.model.predict_interactions(part), expected[7:20])


def test_errors_and_their_baselines(trained):
    evaluator = mfrec.RatingEvaluator(TRAIN)
    expected = evaluator.evaluate(trained.model, ENCODED), evaluator.baselines(ENCODED)
    for other in OTHERS:
        for train in (TRAIN, renumbered(TRAIN, seed=2)):
            evaluator = mfrec.RatingEvaluator(train)
            assert (
                evaluator.evaluate(trained.model, other),
                evaluator.baselines(other),
            ) == expected


def test_rankings_and_their_baselines(trained):
    score = trained.model.score_catalogue
    evaluator = mfrec.RankingEvaluator(TRAIN, seen=ENCODED.take([0]), cutoffs=(3, 5))
    expected = evaluator.evaluate(score, ENCODED)
    for other in OTHERS:
        again = mfrec.RankingEvaluator(TRAIN, seen=other.take([0]), cutoffs=(3, 5))
        assert again.evaluate(score, other).metrics == expected.metrics
        # the evaluator's training part in other rows than the model's
        again = mfrec.RankingEvaluator(
            renumbered(TRAIN, seed=3), seen=other.take([0]), cutoffs=(3, 5)
        )
        found = again.evaluate(score, other)
        assert found.metrics == pytest.approx(expected.metrics, rel=1e-12)
        assert found.counts == expected.counts


def test_a_model_that_is_trained_again_goes_on_with_its_rows(loss):
    second = DATA.take(slice(50, 400))
    losses = []
    for again in (second.encode(TRAIN.users, TRAIN.items), renumbered(second, seed=4)):
        trainer = mfrec.train(TRAIN, loss=loss, **SETTINGS)
        trainer = mfrec.Trainer(trainer.model, loss=loss, **SETTINGS)
        history = trainer.fit(again)
        losses.append([log.train["loss"] for log in history.epochs])
        assert trainer.parts[0].users.raw_ids == TRAIN.users.raw_ids
    assert losses[0] == losses[1]


def test_a_training_that_continues_another_has_its_rows_first(loss):
    first = TRAIN.take(TRAIN.user_ids < 25).compact()
    more = renumbered(TRAIN, seed=5)
    found = []
    for train in (SplitRecipe(more, earlier=(first.users, first.items)).encode().train, more):
        earlier = mfrec.train(first, loss=loss, **SETTINGS)
        settings = SETTINGS | {"learning_rate": 1e-12}
        trainer = mfrec.Trainer(loss=loss, previous=PreviousTraining(earlier.model), **settings)
        trainer.fit(train)
        assert trainer.parts[0].users.raw_ids[: first.num_users] == first.users.raw_ids
        same = earlier.model.user_embedding.numpy()
        now = trainer.model.user_embedding.numpy()[: first.num_users]
        np.testing.assert_allclose(now, same, atol=1e-6)
        found.append(trainer.model.predict_interactions(ENCODED))
    np.testing.assert_array_equal(*found)


def test_recommenders_and_fold_in(trained):
    first = trained.recommender()
    train = renumbered(TRAIN, seed=6)
    train = dataclasses.replace(train, items=train.items.with_labels({"i3": "Three"}))
    again = mfrec.Recommender(trained.model, trained.loss, trained.resolved, train, OTHERS[0])
    ratings = [4, 2] if first.predicts_ratings else None
    for ask in (
        lambda one: one.recommend("u7", k=4),
        lambda one: one.recommend_from_history(["i2", "i9"], ratings, k=4),
        lambda one: one.similar_items("i5", k=4),
        lambda one: one.explain("u7", "i5"),
    ):
        rows = [[(row.item, row.score) for row in ask(one)] for one in (first, again)]
        assert rows[0] == rows[1]
    assert again.predict("u7", "three") == first.predict("u7", "i3")


def test_splits_made_by_hand():
    for other in OTHERS:
        split = Split(TRAIN, other, other, {}, {}, candidates=other)
        for part in (split.validation, split.test, split.candidates):
            np.testing.assert_array_equal(part.user_ids, ENCODED.user_ids)
            np.testing.assert_array_equal(part.item_ids, ENCODED.item_ids)
    # held-out users keep rows of their own
    history = OTHERS[0].take(slice(50)).compact()
    test = OTHERS[1].take(slice(50))
    split = Split(TRAIN, None, test, {}, {}, histories={"test": history})
    assert split.test.users is history.users and split.test.items is TRAIN.items
    assert split.histories["test"].items is TRAIN.items


def test_models_of_another_size_than_the_training_part_are_refused():
    for users, items, message in (
        (39, 30, "the ratings name 40 users, the model has 39: make it with num_users=40"),
        (40, 31, "the ratings name 30 items, the model has 31: make it with num_items=30"),
    ):
        model = mfrec.MatrixFactorization(users, items, 3)
        with pytest.raises(InputError, match=message):
            mfrec.Trainer(model, **SETTINGS).fit(TRAIN, ENCODED)
    large = mfrec.MatrixFactorization(40, 31, 3)
    with pytest.raises(InputError, match="the model has 31 items, the training part 30"):
        mfrec.RankingEvaluator(TRAIN).evaluate(large.score_catalogue, ENCODED)


def test_a_training_part_that_is_not_the_models_is_refused(trained):
    model = trained.model
    other = Interactions.from_arrays(["u1", "new"], ["i1", "i1"], [1, 2])
    with pytest.raises(InputError, match="the model was trained without user 'new'"):
        mfrec.Recommender(model, trained.loss, trained.resolved, other)
    with pytest.raises(InputError, match="the ratings name 41 users, the model has 40"):
        mfrec.Trainer(model, loss=trained.loss, **SETTINGS).fit(other)
    other = Interactions.from_arrays(["u1", "u2"], ["i1", "new"], [1, 2])
    with pytest.raises(InputError, match="the model does not know item 'new' of the evaluator's"):
        mfrec.RankingEvaluator(other).evaluate(model.score_catalogue, other)
    other = Interactions.from_arrays(["new", "u2"], ["i1", "i1"], [1, 2])
    with pytest.raises(InputError, match="the model does not know user 'new' of the evaluator's"):
        mfrec.RankingEvaluator(other).evaluate(model.score_catalogue, other)


def test_what_interactions_are_made_of_is_no_interactions(trained):
    frame = pd.DataFrame({"user_id": ["u1"], "item_id": ["i1"], "rating": [1.0]})
    evaluators = mfrec.RatingEvaluator(TRAIN), mfrec.RankingEvaluator(TRAIN)
    for ask in (
        lambda rows: mfrec.train(rows, **SETTINGS),
        lambda rows: mfrec.train(TRAIN, rows, **SETTINGS),
        lambda rows: mfrec.Recommender(trained.model, trained.loss, trained.resolved, rows),
        lambda rows: trained.model.predict_interactions(rows),
        mfrec.RatingEvaluator,
        mfrec.RankingEvaluator,
        lambda rows: evaluators[0].evaluate(trained.model, rows),
        lambda rows: evaluators[1].evaluate(trained.model, rows),
        lambda rows: mfrec.RankingEvaluator(TRAIN, seen=rows),
    ):
        for wrong, how in (
            (frame, "from_dataframe"),
            (np.ones((2, 2)), "from_matrix"),
            ([("u1", "i1", 1)], "from_arrays"),
        ):
            with pytest.raises(InputError, match=f"; give Interactions.{how}"):
                ask(wrong)
    with pytest.raises(InputError, match="no held-out rows; nothing to measure"):
        evaluators[0].evaluate(trained.model, ENCODED.take([]))
    with pytest.raises(InputError, match="the training part holds no rows"):
        mfrec.RatingEvaluator(TRAIN.take([]))
    assert len(trained.model.predict_interactions(ENCODED.take([]))) == 0


def test_rankings_of_a_model_are_those_of_its_scores(trained):
    evaluator = mfrec.RankingEvaluator(TRAIN)
    of_scores = evaluator.evaluate(trained.model.score_catalogue, ENCODED).metrics
    assert evaluator.evaluate(trained.model, ENCODED).metrics == of_scores


def test_rows_that_training_does_not_know_are_told(trained, capsys):
    rows = Interactions.from_arrays(["u7", "07", "u8"], ["i2", "i2", "zz"], [3, 3, 3])
    trained.model.predict_interactions(rows)
    mfrec.RatingEvaluator(TRAIN).evaluate(trained.model, rows)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "2 of 3 rows have a user or an item that training does not know, such as user '07' "
        f"(training has '{TRAIN.users.raw_ids[0]}') and item 'zz' (training has '"
    )
    mfrec.train(TRAIN, rows, **SETTINGS)
    assert "2 of 3 validation rows have a user or an item" in capsys.readouterr().err
    mfrec.train(TRAIN, ENCODED, **SETTINGS)
    assert capsys.readouterr().err == ""
    upper = Vocabulary(tuple(raw_id.upper() for raw_id in ENCODED.users.raw_ids))
    mfrec.train(TRAIN, dataclasses.replace(ENCODED, users=upper), **SETTINGS)
    told = capsys.readouterr().err
    assert told.startswith("100 of 100 validation rows") and ": spell ids alike)" in told


def test_validation_rows_that_are_trained_on_are_told(capsys):
    for other in (TRAIN.take(slice(0, 30)), renumbered(TRAIN.take(slice(0, 30)), seed=7)):
        mfrec.train(TRAIN, other, **SETTINGS)
        assert capsys.readouterr().err == (
            "30 of 30 validation rows are pairs of the training part as well: what is learnt by "
            "heart is measured\n"
        )
        assert count_shared_pairs(TRAIN, other) == 30


def test_strangers_alone_are_refused_before_anything_is_trained(loss):
    strangers = Interactions.from_arrays(["07", "08"], ["z", "z"], [3, 3])
    trainer = mfrec.Trainer(loss=loss, **SETTINGS)
    with pytest.raises(InputError, match="no validation row has a user"):
        trainer.fit(TRAIN, strangers)
    assert trainer.history.steps == 0
    with pytest.raises(InputError, match="the validation part holds no rows"):
        trainer.fit(TRAIN, TRAIN.take([]))
    with pytest.raises(InputError, match="the training part holds no rows"):
        trainer.fit(TRAIN.take([]))
    assert (ENCODED.user_ids != UNKNOWN).all()
