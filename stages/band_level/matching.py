"""How a chromosome's profile is made up of what its type is expected to show.

A profile is the sum of the finest bands, of what 400 and 550 bands do not show of them (both missing at a lower level),
and of a slope; the shares are found by least squares, at several blurs since nobody knows that of the image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from karyonet.case import FloatArray

BLURS = (0.06, 0.09, 0.12, 0.16, 0.21)
"""Standard deviations that patterns are seen through, in widths."""
SHARES = 3 * len(BLURS)
_CEILING = 3.0


def matched(
    profile: FloatArray,
    pattern: FloatArray,
    firsts: NDArray[np.integer],
    place: FloatArray,
    shown: NDArray[np.bool_],
    samples_per_width: float,
) -> FloatArray:
    """Shares of the patterns in the profiles of chromosomes that lie one after the other.

    Args:
        profile: float32, shape (samples,).
        pattern: float32, shape (3, samples): the finest bands, then what two lower levels do not show of them.
        firsts: shape (n,): where each chromosome starts.
        place: float32, shape (samples,): along each chromosome, -1 to 1.
        shown: bool, shape (samples,): what is not shown takes no part.
        samples_per_width: of the profiles.

    Returns:
        float32, shape (n, SHARES): at every blur the shares of the second and third pattern relative to that of the
        first, and how much of the profile's variance all explain.
    """
    seen = shown.astype(np.float64)
    columns = []
    for blur in BLURS:
        blurred = gaussian_filter1d(pattern.astype(np.float64), blur * samples_per_width, axis=1, mode="constant")
        basis = np.concatenate([seen[None], seen * blurred, (seen * place)[None]])
        products = np.add.reduceat(basis[:, None] * basis, firsts, axis=2).transpose(2, 0, 1)
        given = np.add.reduceat(basis * profile, firsts, axis=1).T
        size = np.maximum(products[:, 0, 0], 1)
        ridge = 1e-3 * size[:, None, None] * np.eye(len(basis))
        shares = np.linalg.solve(products + ridge, given[..., None])[..., 0]
        square = np.add.reduceat(seen * profile**2, firsts)
        variance = square - given[:, 0] ** 2 / size
        left = square - 2 * (shares * given).sum(axis=1) + np.einsum("ni,nij,nj->n", shares, products, shares)
        main = np.maximum(np.abs(shares[:, 1:2]), 0.05)
        columns += [shares[:, 2:4] / main, 1 - (left / np.maximum(variance, 1e-9))[:, None]]
    found: FloatArray = np.clip(np.concatenate(columns, axis=1), -_CEILING, _CEILING).astype(np.float32)
    return found
