"""Error metrics, defined once: what every printed RMSE and MAE of mfrec means."""

import numpy as np


def rating_errors(ratings: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Root mean squared and mean absolute error over all rows, in units of the rating.

    rmse = √(Σ(r − r̂)² / n), mae = Σ|r − r̂| / n, summed in float64.

    Args:
        ratings: what was given, [n], n > 0.
        predictions: what was expected, [n].
    """
    errors = ratings.astype(np.float64) - predictions
    return {
        "rmse": float(np.sqrt(np.mean(np.square(errors)))),
        "mae": float(np.mean(np.abs(errors))),
    }
