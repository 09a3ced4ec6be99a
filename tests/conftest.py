"""Fixtures of the whole suite."""

import functools
import math
import os
from pathlib import Path

import pytest

import helpers
from mfrec import losses, models
from mfrec.data import cache, splitters
from mfrec.evaluation import metrics
from mfrec.quiet_tensorflow import tf
from mfrec.training import samplers


@pytest.fixture(scope="session")
def real_data_dir():
    """The folder of published data sets: $MFREC_TEST_DATA, or ../shared/data."""
    folder = os.environ.get("MFREC_TEST_DATA") or helpers.ROOT.parent / "shared" / "data"
    if not Path(folder).is_dir():
        pytest.skip(f"no published data sets in {folder}; name their folder in $MFREC_TEST_DATA")
    return Path(folder)


@pytest.fixture(scope="module", autouse=True)
def registries():
    """What a module registers, such as a metric of a user's own file, is gone after it."""
    homes = (losses, models, samplers, splitters, metrics)
    # Keras's as well, where it keeps models by name
    registries = [home.REGISTRY for home in homes] + [tf.keras.utils.get_custom_objects()]
    before = [(registry, dict(registry)) for registry in registries]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory):
    """Tests note the code that they train with in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Tests leave nothing in the folders that they read, but those of the cache itself."""
    monkeypatch.setattr(cache, "MIN_BYTES", math.inf)


@pytest.fixture
def run_script(tmp_path):
    """Runs a script in an empty folder: run_script(name, *flags) -> code, stdout, stderr."""
    return functools.partial(helpers.run_script, tmp_path)
