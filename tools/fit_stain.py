"""Fit the stain and the drawn length of every band to real chromosomes.

    python tools/fit_stain.py DATA [--split train] [--images 300] [--out karyonet/simulate/stain.json]

DATA is a data set of format ``metaphases``. Chromosomes that lie alone are straightened; which end of them is up is
not annotated and is found by comparing with the ideogram, then with the mean of the others (four rounds). The mean
profile of every chromosome is explained by bands of the 850 ideogram: a smooth warp says how long they are drawn, a
ridge regression towards the ideogram's densities how dark. NCBI's densities have four steps; real bands differ more.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from fit_appearance import lone_chromosomes, sample
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import lsq_linear

from karyonet.data.metaphases import read_metaphases
from karyonet.data.pictures import read_grey
from karyonet.geometry.axis import medial_axis
from karyonet.ideogram import CHROMOSOMES, bands, grey_profile, length_of
from karyonet.imaging.optical_density import to_optical_density
from karyonet.stages.segmentation.threshold import segment

SAMPLES = 256
ROUNDS = 4
LIGHTEST = 0.3
"""Stain of the lightest bands as a share of the darkest ones' (``base_stain`` of the simulator)."""
RIDGE = 0.06
"""Weight of the ideogram's densities against the samples of the profile."""
FloatArray = NDArray[np.float64]


def collect(data: Path, split: str, images: int) -> dict[str, FloatArray]:
    """Profiles, float64, shape (n, 256), of every chromosome in units of its metaphase's mean; either end is first."""
    found: dict[str, list[FloatArray]] = {name: [] for name in CHROMOSOMES}
    for metaphase in sample(read_metaphases(data, split), images):
        density = to_optical_density(read_grey(metaphase.path), "absorption")
        mask, width = segment(density)
        if width < 6:
            continue
        of_cell: list[tuple[str, FloatArray]] = []
        for label, region in lone_chromosomes(metaphase, mask, 0.6 * width)[0]:
            axis = medial_axis(region.mask)
            if axis.confidence < 0.6 or axis.length < 2.2 * axis.half_width:
                continue
            points = axis.points.astype(float) + np.array([region.bbox[1], region.bbox[0]])
            offsets = np.linspace(-0.5, 0.5, 9) * axis.half_width
            where = points[:, None, :] + axis.normals[:, None, :] * offsets[None, :, None]
            profile = ndimage.map_coordinates(density, where.transpose(2, 0, 1), order=1, mode="nearest").mean(axis=1)
            place = np.linspace(0, len(profile) - 1, SAMPLES)
            of_cell.append((label, np.interp(place, np.arange(len(profile)), profile)))
        if len(of_cell) >= 8:
            mean = float(np.median([profile.mean() for _, profile in of_cell]))
            for label, profile in of_cell:
                found[label].append(profile / mean)
    return {name: np.array(rows) for name, rows in found.items()}


def warps(reach: float, steps: int, waves: int) -> FloatArray:
    """Smooth monotone maps of 0–1 onto itself, shape (n, 256): sums of up to three sine waves."""
    grid = np.linspace(-reach, reach, steps)
    place = np.linspace(0, 1, SAMPLES)
    mesh = np.stack(np.meshgrid(*([grid] * waves), indexing="ij"), axis=-1).reshape(-1, waves)
    sines = np.sin(np.pi * np.outer(np.arange(1, waves + 1), place))
    maps = place + (mesh / np.arange(1, waves + 1)) @ sines
    return maps[(np.diff(maps, axis=1) > 0.3 / SAMPLES).all(axis=1)]


def best_warp(profile: FloatArray, template: FloatArray, maps: FloatArray) -> tuple[FloatArray, float, int]:
    """The warped profile that correlates best with a template, the correlation, and which map it was."""
    inner = slice(6, SAMPLES - 6)
    warped = np.interp(maps, np.linspace(0, 1, SAMPLES), profile)
    centred = warped[:, inner] - warped[:, inner].mean(axis=1, keepdims=True)
    target = template[inner] - template[inner].mean()
    score = (centred @ target) / np.maximum(np.linalg.norm(centred, axis=1) * np.linalg.norm(target), 1e-9)
    number = int(score.argmax())
    return warped[number], float(score[number]), number


def mean_profile(profiles: FloatArray, name: str) -> tuple[FloatArray, float]:
    """The mean of the upright, aligned profiles and the mean correlation with it."""
    template = ndimage.gaussian_filter1d(0.5 * (grey_profile(name, 400, 256) + grey_profile(name, 850, 256)), 5)
    maps = warps(0.04, 5, 2)
    score = 0.0
    for _ in range(ROUNDS):
        rows, scores = [], []
        for profile in profiles:
            up, down = best_warp(profile, template, maps), best_warp(profile[::-1], template, maps)
            chosen = max(up, down, key=lambda found: found[1])
            rows.append(chosen[0])
            scores.append(chosen[1])
        good = np.array(scores) >= np.quantile(scores, 0.3)
        template = np.mean(np.array(rows)[good], axis=0)
        score = float(np.mean(scores))
    return template, score


def explain(profile: FloatArray, name: str, darkest: float) -> tuple[list[float], list[float], float]:
    """Density and relative drawn length of every band, and how well they explain the profile (correlation)."""
    known = bands(name)
    prior = np.array([band.density for band in known])
    edges = np.array([0, *(band.iscn_stop for band in known)]) / length_of(name)
    blur = 256 * 1.2 / (11.0 * length_of(name) / 1000) + 2.0
    expected = ndimage.gaussian_filter1d(grey_profile(name, 850, SAMPLES), blur)
    maps = warps(0.09, 9, 3)
    aligned, _, number = best_warp(profile, expected, maps)
    # Where the ideogram shows x, the real chromosome shows maps[number](x).
    drawn = np.interp(edges, np.linspace(0, 1, SAMPLES), maps[number])
    target = np.clip((aligned / darkest - LIGHTEST) / (1 - LIGHTEST), 0, 1.4)
    place = np.linspace(0, 1, SAMPLES * 4 + 1)
    boxes = np.stack([(place[:-1] >= a) & (place[:-1] < b) for a, b in pairwise(edges)], axis=1)
    columns = ndimage.gaussian_filter1d(boxes.astype(float), 4 * blur, axis=0, mode="nearest")
    columns = columns.reshape(SAMPLES, 4, -1).mean(axis=1)
    weight = np.sqrt(RIDGE * SAMPLES * np.diff(edges))
    inner = np.ones(SAMPLES)
    inner[:8] = inner[-8:] = 0.2  # the ends are pale because they are round
    system = np.vstack([columns * inner[:, None], np.diag(weight)])
    solution = lsq_linear(system, np.concatenate([target * inner, weight * prior]), bounds=(0, 1.3)).x
    fit = float(np.corrcoef((columns @ solution)[8:-8], target[8:-8])[0, 1])
    return [round(float(v), 3) for v in solution], [round(float(v), 3) for v in np.diff(drawn) / np.diff(edges)], fit


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("karyonet/simulate/stain.json"))
    arguments = parser.parse_args()
    profiles = collect(arguments.data, arguments.split, arguments.images)
    means = {name: mean_profile(rows, name) for name, rows in profiles.items()}
    darkest = float(np.quantile([profile.max() for profile, _ in means.values()], 0.8))
    fitted = {}
    for name, (profile, agreement) in means.items():
        stain, length, fit = explain(profile, name, darkest)
        fitted[name] = {"stain": stain, "length": length}
        print(f"{name:>2}  {len(profiles[name]):4d} chromosomes, agree {agreement:.2f}, explained {fit:.2f}")
    rows = [f'"{name}": {json.dumps(row, separators=(",", ":"))}' for name, row in fitted.items()]
    arguments.out.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
