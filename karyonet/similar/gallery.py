"""The known chromosomes: a data set embedded once, kept in a file as long as neither it nor the weights change."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from karyonet.case import Chromosome, FloatArray
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.data.strips import AnnotatedCell
from karyonet.errors import ConfigError, DataError, WeightsError
from karyonet.evaluation.annotated import StageClassifier
from karyonet.evaluation.report import reason_of
from karyonet.stage import Stage
from karyonet.training.pack import appearing, arrays_in
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

AnyCell = AnnotatedCell | AnnotatedMetaphase
logger = logging.getLogger(__name__)
VERSION = "1"
"""Of the file and of how it is made; another number makes it anew."""


@dataclass(frozen=True)
class Key:
    """What a gallery was made of.

    Attributes:
        data: checksum of the images and annotations.
        model: checksum of the stages, their options and their weights.
    """

    data: str
    model: str

    @property
    def name(self) -> str:
        """Short, for a file name."""
        return hashlib.sha256(f"{self.data} {self.model}".encode()).hexdigest()[:24]


@dataclass(frozen=True, eq=False)
class Gallery:
    """Known chromosomes.

    Attributes:
        pack: strips, labels, cells and cases; ``polarity`` is what the model says of each.
        embeddings: float32, shape (n, d), unit length.
        key: what it was made of.
        failures: cells that could not be processed, each with the reason.
    """

    pack: StripPack
    embeddings: FloatArray
    key: Key
    failures: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.embeddings)

    def write(self, path: Path) -> None:
        """Write the gallery as ``.npz``; the file appears when it is complete."""
        content = {name: getattr(self.pack, name) for name in StripPack.names()}
        facts = {
            "version": VERSION, "data": self.key.data, "model": self.key.model, "failures": list(self.failures)
        }  # fmt: skip
        with appearing(path) as stream:
            np.savez(
                stream, embeddings=self.embeddings.astype(np.float32), facts=np.array(json.dumps(facts)), **content
            )

    @classmethod
    def read(cls, path: Path, key: Key) -> Gallery:
        """Read a gallery that was made of the same.

        Raises:
            DataError: K401 if the file is no gallery, K412 if it was made of other data or weights.
        """
        with arrays_in(path, "index") as arrays:
            facts = json.loads(str(arrays["facts"]))
            found = Key(str(facts["data"]), str(facts["model"]))
            pack = StripPack(**{name: arrays[name] for name in StripPack.names()})
            embeddings = arrays["embeddings"].astype(np.float32)
            version, failures = str(facts["version"]), tuple(map(str, facts["failures"]))
        if version != VERSION or found.model != key.model:
            raise DataError("K412", path=path, what="weights or stage options")
        if found.data != key.data:
            raise DataError("K412", path=path, what="data")
        return cls(pack, embeddings, found, failures)


def key_of(stages: Mapping[str, Stage], cells: Sequence[AnyCell]) -> Key:
    """The key of the gallery that these stages make of these cells; every image is read for its checksum.

    Raises:
        DataError: K404 if an image is missing.
    """
    data, model = hashlib.sha256(VERSION.encode()), hashlib.sha256(VERSION.encode())
    for cell in cells:
        annotations = [(c.label, c.bbox) for c in cell.chromosomes]
        try:
            with cell.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as fault:
            raise DataError("K404", path=cell.path.parent, image=cell.path.name, table="chromosomes.csv") from fault
        data.update(json.dumps([type(cell).__name__, cell.id, cell.case, annotations, digest]).encode())
    for name, step in stages.items():
        weights = [weight.sha256 for weight in step.weights]
        options = step.options.model_dump(mode="json")
        model.update(json.dumps([name, type(step).__name__, options, weights], sort_keys=True).encode())
    return Key(data.hexdigest(), model.hexdigest())


def open_gallery(
    stages: Mapping[str, Stage], cells: Sequence[AnyCell], index: Path | None = None, progress: bool = True
) -> Gallery:
    """The gallery of a data set: read from its file, or made and written there.

    Args:
        stages: of a pipeline.
        cells: annotated chromosomes.
        index: the file; None takes one in :func:`cache_folder`, named by the key.
        progress: show a progress bar on a terminal.

    Raises:
        ConfigError: K205 if no stage embeds chromosomes, K213 if ``index`` cannot be written. WeightsError: K3xx.
        DataError: K401 or K412 if ``index`` is another file, K404 for a missing image, K413 if nothing was embedded.
    """
    from karyonet.evaluation.retrieval import check_embedding

    check_embedding(stages)
    key = key_of(stages, cells)
    path = index or cache_folder() / f"{key.name}.npz"
    if path.exists():
        try:
            return Gallery.read(path, key)
        except DataError:
            if index is not None:  # a file that somebody named is theirs; one of the cache is ours to make anew
                raise
    gallery = make_gallery(stages, cells, key, progress)
    try:
        gallery.write(path)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        if index is not None:
            raise ConfigError("K213", path=path, reason=reason) from fault
        logger.warning("the embeddings are not kept, since %s cannot be written (%s)", path, reason)
    return gallery


def make_gallery(stages: Mapping[str, Stage], cells: Sequence[AnyCell], key: Key, progress: bool = True) -> Gallery:
    """Straighten and embed annotated chromosomes, as they lie; a cell that fails is named and left out.

    Raises:
        DataError: K413 if nothing could be embedded. ConfigError, WeightsError: as they come.
    """
    from rich.console import Console
    from rich.progress import track

    classifier = StageClassifier(stages)
    packs: list[StripPack] = []
    embeddings: list[FloatArray] = []
    failures: list[str] = []
    quiet = not (progress and sys.stderr.isatty())
    console = Console(stderr=True)
    for cell in track(cells, "embedding the known chromosomes", disable=quiet, console=console, transient=True):
        try:
            pack, vectors = _embedded(classifier.chromosomes(cell), cell)
        except (ConfigError, WeightsError):  # it would fail on every cell
            raise
        except Exception as fault:  # one damaged image must not cost the others
            failures.append(f"{cell.id}: {reason_of(fault)}")
            continue
        packs.append(pack)
        embeddings += vectors
    if not embeddings:
        reason = failures[0] if failures else "no chromosome could be straightened"
        raise DataError("K413", path=cells[0].path.parent.parent if cells else "the data set", reason=reason)
    return Gallery(concatenate(packs), np.stack(embeddings).astype(np.float32), key, tuple(failures))


def cache_folder() -> Path:
    """Where galleries are kept: the user's cache folder as the platform has it."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "karyonet" / "similar"


def breadth(strip: NDArray[np.float32] | NDArray[np.uint8]) -> float:
    """Mean width of what is stained in a strip, in pixels."""
    return float((strip > 0).sum() / max(len(strip), 1))


def _embedded(chromosomes: Sequence[Chromosome], cell: AnyCell) -> tuple[StripPack, list[FloatArray]]:
    strips: list[LabelledStrip] = []
    vectors: list[FloatArray] = []
    for chromosome, label in zip(chromosomes, [c.label for c in cell.chromosomes], strict=True):
        if chromosome.strip is None or chromosome.embedding is None:
            continue
        polarity = -1 if chromosome.p_arm_up is None else int(chromosome.p_arm_up)
        strips.append(LabelledStrip(chromosome.strip.optical_density, label, polarity))
        vectors.append(chromosome.embedding)
    return pack_cell(strips, case=cell.case, cell=cell.id, split=cell.split or "", source=""), vectors
