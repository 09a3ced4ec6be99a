"""What the user's own losses, models and samplers did wrong, in a few words."""

import os
import re
import sysconfig
import traceback
from typing import Any

import numpy as np

from mfrec.errors import first_line


def described(value: Any) -> str:
    """Return what a function of the user's own returned, in a few words: None, float64 (3, 2)."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        whose = "NumPy's " if isinstance(value, np.ndarray | np.generic) else ""
        return f"{whose}{getattr(value.dtype, 'name', value.dtype)} {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"


def fault(error: Exception) -> str | None:
    """Return where in the user's own code an error arose, and its first line; None if elsewhere."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    # TensorFlow tells of functions that it traced in the message alone
    text = str(error)
    traced = re.findall(r'File "(.*?)", line (\d+)', text) if "in user code:" in text else []
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    for file, line in reversed([*frames, *traced]):
        if _is_users(file):
            return f"{file}:{line}: {reason}"
    return None


def _is_users(file: str) -> bool:
    installed = sysconfig.get_paths()
    folders = [os.path.dirname(__file__), *(installed[n] for n in ("stdlib", "purelib", "platlib"))]
    is_generated = "__autograph_generated_file" in file
    return not is_generated and not file.startswith((*folders, "<frozen", "<string>"))
