"""One call that fixes every source of chance in the process."""

from __future__ import annotations

import random
import sys

import numpy as np

from geoglot.core.errors import UsageError


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python's and NumPy's global generators, and torch's where torch is already imported.

    Torch is never imported here: the archive runs without it. New code should draw from the returned generator
    rather than from the global ones.

    Args:
        seed: In [0, 2**32).

    Raises:
        UsageError: The seed is outside the range that NumPy's global generator takes.

    Example:
        >>> float(seed_everything(7).random()) == float(seed_everything(7).random())
        True
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed = {seed}", cause="is outside [0, 2**32)", remedy="choose a smaller one")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (third parties draw from the global generator)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
    return np.random.default_rng(seed)
