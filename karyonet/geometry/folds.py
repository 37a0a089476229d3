"""Axes of chromosomes that are folded, looped, or cut in two by another one lying across.

Their outline does not show their course: arms that touch leave no gap between them. What helps is how wide the
chromosomes of the image are, by which a folded chromosome is told from one of its chromatids and a loop from a hole,
and the stain, which is thin where two arms touch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from karyonet.geometry.axis import (
    EIGHT_CONNECTED,
    Axis,
    centred_axis,
    course_of,
    fill_holes,
    inner_half_width,
    largest_piece,
    padded,
)
from karyonet.geometry.curve import Points

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

FEWEST = 10
"""Chromosomes from which an image has a usual width."""
_WHOLE = 0.75
"""Usual half widths from which a skeleton follows a whole chromosome; a chromatid alone has about half of one."""
_BENT = 0.7
"""Half widths by which the course of a bent chromosome leaves its chord."""
_LOOP = 0.5
"""Usual half widths that fit into the inside of a loop; less is a gap between chromatids."""
_GAP = 3.0
"""Usual half widths between pieces of one chromosome, at most."""
_THIN = (0.2, 0.3)
"""Shares of the pixels, from the least stained on, among which the line between two touching arms is looked for."""
_CORE = (0.5, 0.6)
"""Half width, in usual ones, and unbranched share of a course within the stain that is followed."""


def usual_half_width(masks: Sequence[BoolArray]) -> float | None:
    """The median half width of the chromosomes of an image in pixels; None if there are too few to tell.

    Args:
        masks: bool, shape (height, width) each, at least one pixel set.
    """
    if len(masks) < FEWEST:
        return None
    return float(np.median([inner_half_width(np.pad(mask, 1)) for mask in masks]))


def folded_axes(mask: BoolArray, optical_density: FloatArray, usual: float) -> list[Axis]:
    """Axes that a chromosome has if it is folded, looped or in pieces; none where nothing speaks for it.

    Args:
        mask: bool, shape (height, width).
        optical_density: float32, same shape.
        usual: half width of the chromosomes of the image in pixels, see :func:`usual_half_width`.

    Raises:
        ArrayError: K501 if the mask has not two dimensions, K502 if it is empty.
    """
    whole = padded(mask)
    bridged = _bridged(whole, usual)
    body, share = largest_piece(_opened(bridged, usual))
    course = course_of(body)
    line = course.trimmed()
    axes = []
    other = bool((bridged != whole).any() or (body != fill_holes(bridged)).any())
    if course.half_width > _WHOLE * usual and (other or _sagitta(line) > _BENT * course.half_width):
        axes.append(centred_axis(body, line, course.half_width, share, course.unbranched))
    stain = gaussian_filter(np.pad(optical_density, 1), 0.2 * usual)
    for thin in _THIN:
        core, share = largest_piece(_opened(body & (stain >= np.quantile(stain[body], thin)), 0.3 * usual))
        course = course_of(core)
        line = course.trimmed()
        followed = course.half_width > _CORE[0] * usual and course.unbranched > _CORE[1]
        if followed and core.sum() > (0.8 - thin) * body.sum() and _sagitta(line) > _BENT * course.half_width:
            axes.append(centred_axis(body, line, usual, share, course.unbranched))
    return axes


def _bridged(mask: BoolArray, usual: float) -> BoolArray:
    """A mask whose pieces, but for specks and what is far away, are joined by bars."""
    pieces, count = label(mask, structure=EIGHT_CONNECTED)
    if count == 1:
        return mask
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    largest, *others = 1 + np.argsort(-areas)
    joined = pieces == largest
    for piece in others:
        away, nearest = distance_transform_edt(~joined, return_indices=True)
        other = pieces == piece
        at = np.argwhere(other)[away[other].argmin()]
        if areas[piece - 1] > usual**2 and away[tuple(at)] <= _GAP * usual:
            joined |= other | _bar(mask.shape, at, nearest[:, at[0], at[1]], 0.7 * usual)
    return _cleared(joined)


def _opened(mask: BoolArray, usual: float) -> BoolArray:
    """A mask without holes: gaps between chromatids are filled, a loop is cut open where it is narrowest."""
    outside, count = label(~mask)
    beyond = outside == outside[0, 0]
    body: BoolArray = ~beyond
    for number in range(1, count + 1):
        hole = outside == number
        if number == outside[0, 0] or distance_transform_edt(hole).max() <= _LOOP * usual:
            continue
        inwards, in_hole = distance_transform_edt(~hole, return_indices=True)
        outwards, in_beyond = distance_transform_edt(~beyond, return_indices=True)
        at = tuple(np.argwhere(mask)[(inwards + outwards)[mask].argmin()])
        body &= ~(hole | _bar(mask.shape, in_hole[:, *at], in_beyond[:, *at], 1.0))
    return body


def _bar(shape: tuple[int, ...], start: NDArray[np.int_], end: NDArray[np.int_], half_width: float) -> BoolArray:
    """The pixels within ``half_width`` of a line between two pixels."""
    steps = np.linspace(start, end, int(np.abs(end - start).max()) + 2).round().astype(int)
    away = np.ones(shape, dtype=bool)
    away[tuple(steps.T)] = False
    bar: BoolArray = distance_transform_edt(away) <= half_width
    return bar


def _cleared(mask: BoolArray) -> BoolArray:
    mask[[0, -1]] = False
    mask[:, [0, -1]] = False
    return mask


def _sagitta(points: Points) -> float:
    """How far a line leaves the chord between its ends, at most, in pixels."""
    chord = points[-1] - points[0]
    across = np.array([-chord[1], chord[0]]) / max(float(np.hypot(*chord)), 1.0)
    return float(np.abs((points - points[0]) @ across).max())
