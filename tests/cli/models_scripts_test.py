"""Models of one's own through every script: trained, measured again, asked, exported, grown."""

import json
import shutil

import numpy as np
import pytest

from helpers import ROOT, Place, write_two_tastes

ADDRESSES = {
    "svdpp": f"{ROOT}/examples/my_model.py:SVDpp",
    "two_towers": f"{ROOT}/tests/models/variants.py:TwoTowers",
    "neumf": f"{ROOT}/tests/models/variants.py:NeuMF",
    "dense_inside": f"{ROOT}/tests/models/variants.py:DenseInside",
}
VECTORS = [name for name in ADDRESSES if name != "neumf"]
QUICK = (
    *("--ratings=ratings.csv", "--embedding_dim=4", "--epochs=3", "--batch_size=64"),
    "--nojit_compile",
)


@pytest.fixture(scope="module", params=ADDRESSES)
def trained(request, tmp_path_factory):
    """The place where a model was trained, twice, its name, and the results of both runs."""
    place = Place(tmp_path_factory.mktemp(request.param))
    write_two_tastes(place)
    results = {}
    for loss, compiled in (("mse", "--jit_compile"), ("bpr", "--nojit_compile")):
        flags = (*QUICK, f"--model={ADDRESSES[request.param]}", f"--loss={loss}", compiled)
        results[loss] = place.train(loss, *flags, "--tensorboard=full").results
    return place, request.param, results


@pytest.mark.parametrize("loss", ["mse", "bpr"])
def test_eval_repeats_the_metrics_to_the_last_digit(trained, loss):
    place, _, results = trained
    again = place.evaluate(f"--run_dir={loss}")
    assert again["metrics"]["test"] == results[loss]["metrics"]["test"]


@pytest.mark.parametrize("loss", ["mse", "bpr"])
def test_it_recommends(trained, loss):
    place, _, _ = trained
    code, out, err = place.run(
        "recommend.py", f"--run_dir={loss}", "--user=user1", "--k=3", "--output=json"
    )
    assert code == 0, err
    scores = [item["score"] for item in json.loads(out)["items"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)


ASKED = {
    "explain": ("--user=user1", "--explain"),
    "history": ("--history=item1:5,item3:4",),
    "similar": ("--item=item1",),
    "similar_users": ("--user=user1", "--similar_users"),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_needs_vectors_works_or_is_refused_in_a_line(trained, what):
    place, name, _ = trained
    code, out, err = place.run("recommend.py", "--run_dir=mse", *ASKED[what])
    if name in VECTORS:
        assert code == 0 and out.count("\n") > 3, err
    else:
        assert code == 2 and out == "" and err.count("\n") == 1, err
        assert "has no vectors" in err


@pytest.mark.parametrize("form", ["npy", "savedmodel", "text"])
def test_it_is_exported_or_refused_in_a_line(trained, form):
    place, name, _ = trained
    code, out, err = place.run(
        "export.py", "--run_dir=mse", f"--output_dir=export-{form}", f"--format={form}"
    )
    if name in VECTORS:
        assert code == 0, err
        if form == "npy":
            vectors = np.load(place / "export-npy" / "item_vectors.npy")
            width = 8 if name == "two_towers" else 4 + 2
            assert vectors.shape == (80, width)
    else:
        # a SavedModel traces the model itself, and answers what needs no vectors
        assert code == (0 if form == "savedmodel" else 2)
        assert err.count("\n") == 1 and "has no vectors" in err


def test_another_training_goes_on_from_it(trained):
    place, name, _ = trained
    ratings = (place / "ratings.csv").read_text()
    (place / "more.csv").write_text(ratings + "newcomer,item1,5\nnewcomer,new item,4\n")
    flags = ("--ratings=more.csv", "--init_from=mse", "--epochs=1", "--nojit_compile")
    run = place.train("grown", *flags)
    assert "continuing from" in run.err and run.results["epochs"] == 1
    shutil.rmtree(run.path)


def test_folds(trained):
    place, name, _ = trained
    flags = (*QUICK, f"--model={ADDRESSES[name]}", "--cross_validate", "--num_folds=2")
    results = place.train("folds", *flags, "--epochs=1").results
    again = place.evaluate("--run_dir=folds")
    assert again["metrics"]["test"] == results["metrics"]["test"]


def test_wrong_models_are_answered_in_one_line(tmp_path):
    write_two_tastes(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from mfrec import models\nnumber = 3\n"
        "class Mine(models.Model):\n    def scores(self, user_ids, item_ids):\n        return 0.0\n"
        "class Bare(models.InnerProduct):\n    pass\n"
        "class Odd(models.MatrixFactorization):\n    def user_rows(self, user_ids):\n"
        "        return super().user_rows(user_ids)[0], None\n"
    )
    for flags, message in (
        (("--model=svdp",), "unknown model 'svdp'; did you mean svdpp?"),
        (("--model=mine.py:Yours",), "no 'Yours' there"),
        (("--model=mine.py:number",), "no subclass of mfrec.models.Model"),
        (("--model=nowhere.py:Mine",), "no file"),
        (("--model_args=depth=3",), "model 'matrix_factorization' has none, not 'depth'"),
        (("--model=mine.py:Mine", "--normalize"), "has no such argument"),
        (("--model=mine.py:Mine", "--loss=softmax"), "reads item vectors"),
        (("--model=mine.py:Mine", "--split=held_out_users"), "has no vectors"),
        (("--model=mine.py:Bare",), "the class has to override user_rows"),
        (("--model=mine.py:Odd",), "both return biases or None"),
    ):
        assert message in Place(tmp_path).refused("train.py", "--ratings=ratings.csv", *flags)
