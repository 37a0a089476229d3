"""Measure how real metaphases look and fit the simulator's appearance to them.

    python tools/fit_appearance.py DATA [--split train] [--images 80]     # a table of real beside simulated metaphases
    python tools/fit_appearance.py DATA --fit 2                           # renew karyonet/simulate/appearance.yaml

DATA is a data set of format ``metaphases``. Every quantity is measured in each image, most of them on the chromosomes
that lie alone, and described by its quantiles over the images. The same is measured on simulated metaphases; a
parameter is fitted by moving its quantiles until those of its measure agree. Parameters without a measure of their
own (cross section, gap of the chromatids, grain, camera) were set by eye and by the table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from karyonet.data.boxes import components_of
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.pictures import read_grey
from karyonet.geometry.axis import medial_axis
from karyonet.geometry.region import Region
from karyonet.ideogram import length_of
from karyonet.imaging.optical_density import estimate_background, to_optical_density
from karyonet.simulate import SimulatedCase, appearance, simulate
from karyonet.stages.segmentation.threshold import segment

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LEVELS = (400, 450, 500, 550)
MEASURED_BY = {
    "scale": "pixels_per_kilounit",
    "width": "width",
    "length_spread": "length_spread",
    "contrast": "contrast",
    "contrast_spread": "contrast_spread",
    "turning": "turning",
    "field": "hull_area",
    "roundness": "hull_roundness",
    "background": "background",
    "gradient": "gradient",
    "noise": "noise",
    "nuclei": "nuclei_share",
    "specks": "specks",
    "haze": "halo",
    "raggedness": "tapering",
    "grain": "texture",
}
"""The measure by which each parameter is fitted."""
LIMITS = {"haze": 0.26, "field": 45.0, "specks": 160.0, "raggedness": 0.11, "gradient": 0.11}
"""Where a parameter stops: beyond, its measure reacts to something else that real images have (neighbours, plasma)."""
FloatArray = NDArray[np.float32]
Measures = dict[str, float]
Quantiles = dict[str, list[float]]


def measure(metaphase: AnnotatedMetaphase) -> Measures:
    """The quantities of one image; those of which nothing could be measured are left out."""
    grey = read_grey(metaphase.path)
    background = estimate_background(grey, "absorption")
    density = to_optical_density(grey, "absorption")
    mask, width = segment(density)
    clear = ndimage.distance_transform_edt(density < 0.04) > 0.7 * max(width, 4.0)
    found: Measures = {"background": float(np.median(background)), "width": float(width)}
    found["gradient"] = float(np.percentile(background, 95) - np.percentile(background, 5))
    if clear.sum() > 500:
        rest = (grey - ndimage.gaussian_filter(grey, 8.0))[clear]
        found["noise"] = float(1.4826 * np.median(np.abs(rest - np.median(rest))))
        neighbours = clear[:, 1:] & clear[:, :-1]
        fine = grey - ndimage.gaussian_filter(grey, 8.0)
        left, right = fine[:, :-1][neighbours], fine[:, 1:][neighbours]
        if left.std() > 1e-4:
            found["noise_correlation"] = float(np.corrcoef(left, right)[0, 1])
        found["saturated"] = float((grey[clear] > 0.995).mean())
    dark = density > 0.12
    found["nuclei_share"] = float(holds_disc(dark, 1.2 * max(width, 4.0)).mean())
    lone, share = lone_chromosomes(metaphase, mask, 0.6 * width)
    found["lone_share"] = share
    specks = [r for r in components_of(density > 0.1, 3) if r.area < 0.5 * width**2]
    found["specks"] = float(len(specks))
    found.update(layout(metaphase, width))
    found.update(chromosome_measures(lone, density, background))
    return found


def lone_chromosomes(
    metaphase: AnnotatedMetaphase, mask: NDArray[np.bool_], tolerance: float
) -> tuple[list[tuple[str, Region]], float]:
    """Labels and pixels of chromosomes whose component is no other one's and fits their box, and how many are alone."""
    components, _ = ndimage.label(mask, np.ones((3, 3)))
    holders: dict[int, list[int]] = defaultdict(list)
    for number, chromosome in enumerate(metaphase.chromosomes):
        xmin, ymin, xmax, ymax = chromosome.bbox
        inside = components[ymin:ymax, xmin:xmax]
        sizes = np.bincount(inside.ravel())
        sizes[0] = 0
        if sizes.any():
            holders[int(sizes.argmax())].append(number)
    lone, alone = [], 0
    boxes = ndimage.find_objects(components)
    for component, numbers in holders.items():
        if len(numbers) != 1:
            continue
        alone += 1
        rows, columns = boxes[component - 1]
        xmin, ymin, xmax, ymax = metaphase.chromosomes[numbers[0]].bbox
        error = np.abs(np.subtract((columns.start, rows.start, columns.stop, rows.stop), (xmin, ymin, xmax, ymax)))
        touches = rows.start == 0 or columns.start == 0 or rows.stop == mask.shape[0] or columns.stop == mask.shape[1]
        if error.max() <= tolerance and not touches:
            region = Region.from_mask(components[rows, columns] == component, (columns.start, rows.start))
            lone.append((metaphase.chromosomes[numbers[0]].label, region))
    return lone, alone / max(len(metaphase.chromosomes), 1)


def holds_disc(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """The parts of a mask that hold a disc: nuclei, not chromosomes."""
    core = ndimage.distance_transform_edt(mask) >= radius
    reach: NDArray[np.bool_] = ndimage.distance_transform_edt(~core) <= radius
    return reach if core.any() else np.zeros_like(mask)


def layout(metaphase: AnnotatedMetaphase, width: float) -> Measures:
    """How far the chromosomes lie apart: the hull of the boxes' centres in squared widths for every chromosome."""
    boxes = np.array([c.bbox for c in metaphase.chromosomes], dtype=float)
    if len(boxes) < 10 or width <= 0:
        return {}
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    hull = ConvexHull(centres)
    extent = np.sqrt(np.linalg.eigvalsh(np.cov(centres.T)))
    return {
        "hull_area": float(hull.volume / len(boxes) / width**2),
        "hull_roundness": float(extent[0] / extent[1]),
        "field_share": float(hull.volume / (metaphase.width * metaphase.height)),
    }


def chromosome_measures(lone: list[tuple[str, Region]], density: FloatArray, background: FloatArray) -> Measures:
    """Medians over the chromosomes that lie alone."""
    rows: dict[str, list[float]] = defaultdict(list)
    values: list[FloatArray] = []
    for label, region in lone:
        axis = medial_axis(region.mask)
        if axis.confidence < 0.5 or axis.length < 1.5 * 2 * axis.half_width:
            continue
        origin = np.array([region.bbox[1], region.bbox[0]])
        points = axis.points.astype(float) + origin
        offsets = np.arange(-2.5, 2.51, 0.1) * axis.half_width
        positions = points[:, None, :] + axis.normals[:, None, :] * offsets[None, :, None]
        strip = ndimage.map_coordinates(density, positions.transpose(2, 0, 1), order=1, mode="nearest")
        margin = max(2, round(0.8 * axis.half_width))
        body = strip[margin:-margin] if len(strip) > 2 * margin + 4 else strip
        centre = body[:, 20:31].mean(axis=1)
        lateral = body.mean(axis=0)
        plateau = float(lateral[20:31].mean())
        slope = float(np.abs(np.gradient(lateral, offsets)).max())
        rows["pixels_per_kilounit"].append(axis.length / length_of(label) * 1000)
        rows["contrast"].append(float(np.median(centre)))
        rows["band_contrast"].append(float((np.percentile(centre, 90) - np.percentile(centre, 10)) / centre.mean()))
        fine = np.abs(np.diff(centre)).mean() / max(float(centre.std()), 1e-6)
        rows["band_sharpness"].append(float(fine * axis.half_width))
        rows["edge_sigma"].append(plateau / (2.5066 * max(slope, 1e-6)))
        rows["middle_dip"].append(float(lateral[25] / max(lateral[18:33].max(), 1e-6)))
        rows["flank"].append(float(lateral[[18, 32]].mean() / max(plateau, 1e-6)))
        rows["halo"].append(float(lateral[[4, 46]].mean() / max(plateau, 1e-6)))
        rows["texture"].append(float((body[:, 18:33].std(axis=1) / np.maximum(centre, 0.02)).mean()))
        widths = (strip > 0.5 * plateau).sum(axis=1) * 0.1 * axis.half_width
        rows["tapering"].append(
            float(np.std(widths[margin:-margin]) / widths.mean()) if len(widths) > 2 * margin else 0
        )
        angle = np.unwrap(np.arctan2(axis.tangents[:, 0], axis.tangents[:, 1]))
        rows["turning"].append(float(np.ptp(angle)))
        rows["aspect"].append(axis.length / (2 * axis.half_width))
        values.append(density[region.slices][region.mask])
    if not values:
        return {}
    found = {name: float(np.median(row)) for name, row in rows.items()}
    found["turning_high"] = float(np.percentile(rows["turning"], 90))
    ratio = np.log(rows["pixels_per_kilounit"])
    found["length_spread"] = float(1.4826 * np.median(np.abs(ratio - np.median(ratio))))
    found["contrast_spread"] = float(np.std(np.log(rows["contrast"])))
    stain = np.concatenate(values)
    for share in (5, 25, 50, 75, 95):
        found[f"stain_{share}"] = float(np.percentile(stain, share))
    return found


def sample(metaphases: list[AnnotatedMetaphase], number: int) -> list[AnnotatedMetaphase]:
    """Evenly spaced over the table, so that many cases are seen."""
    step = max(1, len(metaphases) // number)
    return metaphases[::step][:number]


def quantiles(measured: list[Measures]) -> Quantiles:
    """The quantiles of every quantity over the images."""
    names = sorted({name for row in measured for name in row})
    return {
        name: [float(f"{v:.4g}") for v in np.quantile([row[name] for row in measured if name in row], QUANTILES)]
        for name in names
    }


def simulated_metaphases(number: int, folder: Path) -> list[AnnotatedMetaphase]:
    """Metaphases of the band levels that amniocytes have, written to a folder and read back."""
    drawn = [simulate("46,XY", seed, LEVELS[seed % len(LEVELS)]).metaphases[0] for seed in range(number)]
    return read_metaphases(SimulatedCase("46,XY", 0, tuple(drawn)).save(folder))


def renew(parameters: dict[str, Any], real: Quantiles, simulated: Quantiles) -> None:
    """Move the parameters, in place, by half the way (in logarithms) that their measured quantiles differ."""
    for name, measure_name in MEASURED_BY.items():
        old = np.array(parameters[name], dtype=float)
        there, here = np.array(real[measure_name]), np.array(simulated[measure_name])
        ratio = np.where((there > 0) & (here > 0), there / np.maximum(here, 1e-12), 1.0)
        new = np.maximum.accumulate(old * np.sqrt(np.clip(ratio, 0.5, 2.0)))
        new = np.minimum(new, LIMITS.get(name, np.inf))
        parameters[name] = [float(f"{value:.4g}") for value in new]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--images", type=int, default=80)
    parser.add_argument("--fit", type=int, default=0, metavar="ROUNDS", help="renew the parameters this many times")
    parser.add_argument("--out", type=Path, default=Path("karyonet/simulate/appearance.yaml"))
    arguments = parser.parse_args()
    real = quantiles([measure(m) for m in sample(read_metaphases(arguments.data, arguments.split), arguments.images)])
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(arguments.fit):
            drawn = simulated_metaphases(arguments.images, Path(scratch) / "fit")
            renew(appearance.parameters()["gband"], real, quantiles([measure(m) for m in drawn]))
            header = [line for line in arguments.out.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
            content = yaml.safe_dump(appearance.parameters(), sort_keys=False, default_flow_style=None, width=110)
            arguments.out.write_text("\n".join(header) + "\n" + content, encoding="utf-8")
        drawn = simulated_metaphases(arguments.images, Path(scratch) / "compare")
        simulated = quantiles([measure(m) for m in drawn])
    print("| quantity | real 5 / 25 / 50 / 75 / 95 % | simulated |\n|---|---|---|")
    for name, row in real.items():
        columns = (" / ".join(f"{value:.3g}" for value in values) for values in (row, simulated[name]))
        print(f"| {name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
