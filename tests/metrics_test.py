import math

import numpy as np
import pytest

from mfrec.metrics import rating_errors


def test_rating_errors_by_hand():
    errors = rating_errors(np.array([1, 2, 5], np.float32), np.array([2, 2, 2], np.float32))
    # errors -1, 0, 3
    assert errors == {
        "rmse": pytest.approx(math.sqrt(10 / 3), abs=1e-15),
        "mae": pytest.approx(4 / 3, abs=1e-15),
    }
    assert all(type(value) is float for value in errors.values())


def test_rating_errors_are_summed_in_double_precision():
    # float32 knows no odd numbers above 2**24
    errors = rating_errors(np.array([2**24], np.float32), np.array([-1], np.float32))
    assert errors == {"rmse": 2**24 + 1, "mae": 2**24 + 1}
