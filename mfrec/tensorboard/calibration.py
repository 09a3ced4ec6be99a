"""Calibration: the mean true rating of items that are predicted to be rated 3.2.

Predictions are sorted into bins; a bin's mean rating is drawn over its mean prediction. On the
diagonal the model is calibrated; below it, its predictions are too high.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# TensorBoard shows it at some 330 pixels: drawn larger, its text could not be read there.
_SIZE = 420
_LEFT, _RIGHT = 46, 400
_TOP, _BOTTOM = 54, 276
_BARS_TOP, _BARS_BOTTOM = 308, 366
_BLUE, _BLACK, _GREY, _PALE = "#1f6fb4", "#202020", "#9a9a9a", "#e6e6e6"


@dataclass(frozen=True)
class Calibration:
    """Bins of predictions; empty ones are left out.

    Attributes:
        predictions: mean prediction of each bin, float64 [bins].
        ratings: mean rating of each bin, float64 [bins].
        counts: ratings in each bin, int64 [bins].
    """

    predictions: np.ndarray
    ratings: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, predictions: np.ndarray, ratings: np.ndarray, num_bins: int = 20) -> "Calibration":
        """Return bins of equal width from the lowest to the highest prediction.

        Args:
            predictions: float [n].
            ratings: the true ratings, float [n].
            num_bins: the number of bins, empty ones included.
        """
        low, high = float(predictions.min()), float(predictions.max())
        scale = num_bins / (high - low) if high > low else 0.0
        bins = np.minimum(((predictions - low) * scale).astype(np.int64), num_bins - 1)
        counts = np.bincount(bins)
        filled = counts > 0
        predicted, true = (
            np.bincount(bins, values)[filled] / counts[filled] for values in (predictions, ratings)
        )
        return cls(predicted, true, counts[filled])

    def png(self, title: str) -> bytes:
        """Return a picture of 420 × 420: mean rating over mean prediction, and counts below."""
        image = Image.new("RGB", (_SIZE, _SIZE), "white")
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(size=15)
        ends = np.concatenate([self.predictions, self.ratings])
        ticks = _ticks(float(ends.min()), float(ends.max()))
        x, y = _scale(ticks, _LEFT, _RIGHT), _scale(ticks, _BOTTOM, _TOP)
        digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))

        draw.text((_LEFT, 6), title, _BLACK, font)
        draw.text((_LEFT, 29), "mean true rating", _BLUE, font)
        for tick in ticks:
            draw.line([(x(tick), _TOP), (x(tick), _BOTTOM)], _PALE)
            draw.line([(_LEFT, y(tick)), (_RIGHT, y(tick))], _PALE)
            label = f"{tick:.{digits}f}"
            draw.text((x(tick), _BARS_BOTTOM + 5), label, _BLACK, font, anchor="ma")
            draw.text((_LEFT - 8, y(tick)), label, _BLACK, font, anchor="rm")
        corners = (ticks[0], ticks[-1])
        draw.line([(x(value), y(value)) for value in corners], _GREY, 2)
        points = [(x(p), y(r)) for p, r in zip(self.predictions, self.ratings, strict=True)]
        draw.line(points, _BLUE, 2)
        for point in points:
            draw.circle(point, 4, _BLUE)

        most = int(self.counts.max())
        draw.text((_LEFT, _BARS_TOP - 24), f"ratings (highest bar: {most:,})", _BLACK, font)
        for prediction, count in zip(self.predictions, self.counts, strict=True):
            height = (_BARS_BOTTOM - _BARS_TOP) * count / most
            centre = x(prediction)
            draw.rectangle([centre - 4, _BARS_BOTTOM - height, centre + 4, _BARS_BOTTOM], _GREY)
        draw.line([(_LEFT, _BARS_BOTTOM), (_RIGHT, _BARS_BOTTOM)], _BLACK)
        middle = (_LEFT + _RIGHT) / 2
        draw.text((middle, _BARS_BOTTOM + 28), "predicted rating", _BLUE, font, anchor="ma")
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()


def _ticks(low: float, high: float) -> list[float]:
    """Return at most eight round numbers, evenly spaced, that enclose `low` and `high`."""
    span = max(high - low, 1e-6 * max(abs(high), 1.0))
    power = 10.0 ** math.floor(math.log10(span / 6))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= span / 6)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [step * number for number in range(first, last + 1)]


def _scale(ticks: list[float], start: int, end: int) -> Callable[[float], float]:
    """Return the function from a value to its pixel between two pixels."""
    per_unit = (end - start) / (ticks[-1] - ticks[0])
    return lambda value: start + (value - ticks[0]) * per_unit
