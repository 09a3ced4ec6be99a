"""The calibration curve: its bins and its picture."""

import io

import numpy as np
import pytest
from PIL import Image

from mfrec.tensorboard.calibration import Calibration

BLUE, GREY, WHITE = (0x1F, 0x6F, 0xB4), (0x9A, 0x9A, 0x9A), (255, 255, 255)


def test_bins_by_hand():
    # four bins over [1, 5]: 1, 1.5 and 1.9 | none | 3.2 | 4.5 and 5
    predictions = np.array([1, 4.5, 1.5, 5, 3.2, 1.9], np.float32)
    ratings = np.array([1, 5, 2, 4, 3, 3], np.float32)
    found = Calibration.of(predictions, ratings, num_bins=4)
    np.testing.assert_allclose(found.predictions, [4.4 / 3, 3.2, 4.75], rtol=1e-6)
    np.testing.assert_allclose(found.ratings, [2, 3, 4.5])
    assert found.counts.tolist() == [3, 1, 2]


def test_equal_predictions_are_one_bin():
    found = Calibration.of(np.array([3.0, 3.0]), np.array([2.0, 5.0]))
    assert (found.predictions.tolist(), found.ratings.tolist()) == ([3.0], [3.5])
    assert found.counts.tolist() == [2]
    assert Image.open(io.BytesIO(found.png("equal"))).size == (420, 420)


def test_the_picture_has_its_points_where_they_belong():
    calibration = Calibration(np.array([1.0, 3, 5]), np.array([1.0, 4, 5]), np.array([10, 5, 10]))
    picture = Image.open(io.BytesIO(calibration.png("test"))).convert("RGB")
    # axes from 1 to 5: x from 46 to 400, y from 276 up to 54; bars from 366 up to 308
    assert picture.getpixel((223, 276 - 3 * 222 // 4)) == BLUE
    assert picture.getpixel((223, 165)) == GREY
    assert picture.getpixel((223, 366 - 27)) == GREY and picture.getpixel((223, 366 - 31)) == WHITE
    assert picture.getpixel((47, 366 - 56)) == GREY


@pytest.mark.parametrize("scale", [1e-3, 1, 1e6], ids=str)
def test_any_scale_of_ratings_can_be_drawn(scale):
    random = np.random.default_rng(0)
    predictions = random.normal(0, scale, 100)
    png = Calibration.of(predictions, predictions + random.normal(0, scale, 100)).png("scale")
    assert Image.open(io.BytesIO(png)).size == (420, 420)
