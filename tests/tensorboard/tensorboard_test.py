"""What TensorBoard itself shows, in a browser."""

import importlib.util
import shutil

import pytest

import helpers

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="chromium and chromedriver are not installed",
    ),
]


@pytest.fixture(scope="module")
def pictures():
    path = helpers.ROOT / "docs" / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hparams_and_projector_show_the_run(pictures, tmp_path):
    flags = ["--dataset=toy", "--embedding_dim=2", "--epochs=2", "--tensorboard=full"]
    code, _, err = helpers.run_script(tmp_path, "train.py", *flags, "--run_dir=runs/tiny")
    assert code == 0, err
    with pictures.tensorboard(tmp_path / "runs") as url, pictures.Browser() as browser:
        browser.open(f"{url}/#hparams")
        pictures.wait_for(lambda: {"tiny/summary", "test/rmse"} <= set(browser.lines()))

        browser.open(f"{url}/#projector")
        browser.enter_projector()
        pictures.wait_for(lambda: "num_ratings" in browser.lines())
        browser.search("item3")
        pictures.wait_for(lambda: "1 matches." in browser.lines())
