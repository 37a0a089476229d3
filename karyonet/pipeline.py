"""Runs the stages of a configuration over cases."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from karyonet import __version__, stage
from karyonet.case import READ_FIELDS, Case, ImageError
from karyonet.config import PipelineConfig, config_error, load_config
from karyonet.errors import ConfigError, KaryonetError, StageError, WeightsError
from karyonet.report import Provenance, Report
from karyonet.report.schema import WeightRecord
from karyonet.stage import Stage

logger = logging.getLogger(__name__)

Observer = Callable[[str, Case], None]
"""Called with the stage's name and the case before the stage runs."""


class Pipeline:
    """Stages in order; a callable from case to report.

    Building one checks every stage's contract, so that a pipeline that cannot work says so before it has read an
    image. The first call of a stage may load its model.

    Args:
        stages: instances by their place in the pipeline, in order.
        config: the configuration that they came from, for the report's provenance.

    Raises:
        ConfigError: K205 if a stage needs a field that no earlier stage assigns.
    """

    def __init__(self, stages: Mapping[str, Stage], config: PipelineConfig | None = None) -> None:
        self.stages = dict(stages)
        self.config = config
        check_contracts(self.stages)

    @classmethod
    def from_config(cls, name: str | Path | PipelineConfig = "default", overrides: Iterable[str] = ()) -> Pipeline:
        """Build the pipeline of a configuration.

        Args:
            name: a shipped name, a YAML file, or a configuration already read.
            overrides: ``KEY=VALUE`` with a dotted key, as ``--set`` takes them.

        Raises:
            ConfigError: K2xx, before anything runs.
            WeightsError: K3xx, if a weight file is missing or not the one its card describes.
        """
        config = name if isinstance(name, PipelineConfig) else load_config(name, overrides)
        pipeline = cls({key: _build(key, config) for key in config.stages}, config)
        for step in pipeline.stages.values():
            for weight in step.weights:
                weight.read()  # a file that was changed is said now, not in the middle of a case
        return pipeline

    def __call__(self, case: Case, observe: Observer | None = None) -> Report:
        """Run every stage over a case; a metaphase that fails is named in the report's errors, the others go on."""
        seconds: dict[str, float] = {}
        for name, step in self.stages.items():
            if observe is not None:
                observe(name, case)
            start = time.perf_counter()
            case = step(case)
            seconds[name] = round(time.perf_counter() - start, 4)
        return Report(case, self._provenance(seconds))

    def stream(self, cases: Iterable[Case], observe: Observer | None = None) -> Iterator[Report]:
        """Reports of many cases, one after the other; a case that fails gives a report that says so.

        Raises:
            ConfigError, WeightsError: as they come, since no case could do better.
        """
        for case in cases:
            try:
                yield self(case, observe)
            except (ConfigError, WeightsError):
                raise
            except KaryonetError as error:
                yield self._failed(case, error)
            except Exception as fault:  # one case must not stop the others
                logger.exception("case %s failed", case.id)
                reason = f"{type(fault).__name__}: {fault}"
                yield self._failed(case, StageError("K901", stage="?", image=case.id, reason=reason))

    def _failed(self, case: Case, error: KaryonetError) -> Report:
        errors = (*case.errors, ImageError(case.id, error.code, str(error)))
        return Report(replace(case, metaphases=(), errors=errors), self._provenance({}))

    def _provenance(self, seconds: dict[str, float]) -> Provenance:
        weights = [
            WeightRecord(stage=name, file=weight.path.name, sha256=weight.sha256)
            for name, step in self.stages.items()
            for weight in step.weights
        ]
        return Provenance(
            karyonet=__version__,
            config_sha256=self.config.sha256 if self.config else None,
            weights=weights,
            device=next((step.device for step in self.stages.values() if step.device), "cpu"),
            seconds=seconds,
        )


def check_contracts(stages: Mapping[str, Stage]) -> None:
    """Refuse stages of which one needs a field that no earlier one assigns (ConfigError K205)."""
    known = set(READ_FIELDS)
    for name, step in stages.items():
        for missing in sorted(step.requires - known):
            givers = ", ".join(stage.candidates(missing)) or "(none is installed)"
            raise ConfigError("K205", stage=name, field=missing, candidates=givers)
        known |= step.assigns


def _build(key: str, config: PipelineConfig) -> Stage:
    choice = config.stages[key]
    cls = stage.load(choice.use, stage=key)
    options = choice.options
    if "device" in cls.Options.model_fields:
        options = {"device": config.device, **options}
    try:
        return cls(**options)
    except ValidationError as fault:
        raise config_error(fault, choice.use, f"stages.{key}", allowed=list(cls.Options.model_fields)) from fault
