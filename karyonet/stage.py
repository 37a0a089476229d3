"""The contract of a stage, and the registry of the stages that are installed.

A stage is a callable from case to case that says which fields it reads (``requires``) and which it fills
(``assigns``). Packages offer stages through the entry-point group ``karyonet.stages``::

    [project.entry-points."karyonet.stages"]
    our_segmenter = "our_package:OurSegmenter"

and a configuration chooses one by that name: ``stages: {segmentation: {use: our_segmenter}}``.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from karyonet.case import FIELDS, Case, Contrast, Metaphase
from karyonet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from karyonet.geometry.region import BoundingBox, Region
    from karyonet.weights import WeightFile

GROUP = "karyonet.stages"


class StageOptions(BaseModel):
    """Base of every stage's options: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(ABC):
    """One step from case to case.

    A subclass declares its contract and its options::

        class OurSegmenter(MetaphaseStage):
            summary = "Finds chromosomes by our method"
            requires = frozenset({"metaphase.optical_density"})
            assigns = frozenset({"metaphase.clusters"})

            class Options(StageOptions):
                threshold: float = 0.2

    Args:
        **options: the fields of ``Options``.

    Raises:
        pydantic.ValidationError: if an option is unknown or has a wrong value.
    """

    summary: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    assigns: ClassVar[frozenset[str]]
    Options: ClassVar[type[StageOptions]] = StageOptions

    def __init__(self, **options: Any) -> None:
        self.options: Any = self.Options(**options)

    @abstractmethod
    def __call__(self, case: Case) -> Case:
        """Return the case with the fields in ``assigns`` filled."""

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        """The weight files in use, named in the report's provenance."""
        return ()

    @property
    def device(self) -> str | None:
        """Where the stage's model runs, ``cpu`` or ``cuda``; None for a stage without one."""
        return None


class MetaphaseStage(Stage):
    """A stage that looks at one metaphase at a time; a metaphase that fails does not stop the others."""

    @abstractmethod
    def process(self, metaphase: Metaphase) -> Metaphase:
        """Return the metaphase with the fields in ``assigns`` filled."""

    def __call__(self, case: Case) -> Case:
        return case.map_metaphases(self.process, stage=type(self).__name__)


@runtime_checkable
class BoxSegmenter(Protocol):
    """What a segmentation stage may offer besides: the chromosomes in boxes that a person has drawn."""

    def regions_in_boxes(self, metaphase: Metaphase, boxes: Sequence[BoundingBox]) -> list[Region]:
        """One region a box, of a metaphase whose ``foreground`` the stage has filled.

        Args:
            metaphase: as the stage left it.
            boxes: ``(xmin, ymin, xmax, ymax)`` in pixels, best those of all its chromosomes.
        """


@runtime_checkable
class SetClassifier(Protocol):
    """What a classification stage may offer besides: label sets (:mod:`karyonet.label_sets`)."""

    def least_probabilities(self, contrast: Contrast) -> Mapping[int, float]:
        """For images of a contrast, how probable a name must be to be in the set, by coverage in per cent."""


@cache
def registered() -> dict[str, EntryPoint]:
    """The stages that are installed, by name, without importing them."""
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def load(use: str, stage: str = "?") -> type[Stage]:
    """The class of a registered stage.

    Args:
        use: its registered name.
        stage: key in the configuration, for the error message.

    Raises:
        ConfigError: K204 if no such stage is installed, K207 if its contract names an unknown field,
            K208 if it cannot be imported.
    """
    point = registered().get(use)
    if point is None:
        raise ConfigError("K204", stage=stage, use=use, known=", ".join(registered()))
    try:
        cls: type[Stage] = point.load()
    except (ImportError, AttributeError) as fault:
        raise ConfigError("K208", use=use, reason=fault) from fault
    for name in sorted(cls.requires | cls.assigns):
        if name not in FIELDS:
            nearest = (difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.0) or ["?"])[0]
            raise ConfigError("K207", stage=use, field=name, nearest=nearest)
    return cls


def candidates(field: str) -> list[str]:
    """Names of the installed stages that assign a field."""
    found = []
    for name in registered():
        try:
            if field in load(name).assigns:
                found.append(name)
        except ConfigError:  # a broken third-party stage is no candidate
            continue
    return found
