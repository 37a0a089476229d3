"""Weight files: ``<name>.safetensors`` with its model card ``<name>.json`` beside it.

The card says all that is needed to use the weights; its SHA-256 is checked whenever they are loaded. Nothing is
substituted: a file that is missing, changed or unfitting is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyonet.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

_STAGES = "karyonet.stages"
Section = TypeVar("Section", bound=BaseModel)


class Metric(BaseModel):
    """A figure, its 95 % interval (bootstrapped over cases) and the data it was measured on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    interval: tuple[float, float] | None = None
    data: str = ""


class TrainingData(BaseModel):
    """A data set that weights were trained on, with its terms of use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    terms: str = ""
    split: str = ""
    examples: int = 0
    cases: int = 0


class ModelCard(BaseModel):
    """What is needed to use, to judge and to make again a weight file.

    Attributes:
        name, stage: ``gband`` for ``classification``.
        architecture: what the network is built from.
        input: how its input is prepared.
        classes: in the order of the network's outputs.
        temperature: what logits are divided by, so that probabilities are calibrated.
        thresholds: decision thresholds by name.
        training_data, metrics: where the weights come from and how good they are.
        licence: of the weights.
        sha256: of the safetensors file.
        karyonet: version that wrote it.
        created: ISO 8601, UTC.
        recipe: of the training run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    stage: str
    architecture: dict[str, Any]
    input: dict[str, Any]
    classes: tuple[str, ...]
    temperature: float = Field(default=1.0, gt=0)
    thresholds: dict[str, float] = {}
    training_data: tuple[TrainingData, ...] = ()
    metrics: dict[str, Metric] = {}
    licence: str = ""
    sha256: str = ""
    karyonet: str = ""
    created: str = ""
    recipe: dict[str, Any] = {}


@dataclass(frozen=True)
class WeightFile:
    """A weight file with its card; its tensors are read by :func:`load_tensors`."""

    stage: str
    name: str
    path: Path
    sha256: str
    card: ModelCard

    def read(self) -> bytes:
        """The bytes of the file, which are those that its card describes.

        Raises:
            WeightsError: K302 if they are not.
        """
        content = self.path.read_bytes()
        actual = hashlib.sha256(content).hexdigest()
        if actual != self.sha256:
            raise WeightsError("K302", path=self.path, actual=actual, expected=self.sha256)
        return content


def find(stage: str, name_or_path: str | Path) -> WeightFile:
    """Find a weight file and read its card.

    Args:
        stage: the stage that is to use it.
        name_or_path: name of shipped weights, or the path of a ``.safetensors`` file.

    Raises:
        WeightsError: K301 no such weights, K303 no model card, K304 made for another stage, K306 a card that is
            not valid.
    """
    path = Path(name_or_path)
    if path.suffix != ".safetensors":
        path = _folder(stage) / f"{name_or_path}.safetensors"
    if not path.is_file():
        known = ", ".join(weight.stem for weight in _shipped_paths(stage)) or "(no weights ship for this stage)"
        raise WeightsError("K301", name=name_or_path, stage=stage, known=known)
    weight = _with_card(path)
    if weight.stage != stage:
        raise WeightsError("K304", path=path, stage=stage, reason=f"its model card says stage {weight.stage}")
    return weight


def shipped() -> list[WeightFile]:
    """The weight files that ship with karyonet, by stage and name."""
    folders = sorted(entry.name for entry in files(_STAGES).iterdir() if entry.is_dir())
    return [_with_card(path) for stage in folders for path in _shipped_paths(stage)]


def card_section(weight: WeightFile, section: Literal["architecture", "input"], kind: type[Section]) -> Section:
    """A section of a model card as the stage means it.

    Args:
        weight: whose card is read.
        section: its name.
        kind: the stage's own model of it.

    Raises:
        WeightsError: K306 if the section is not valid.
    """
    try:
        return kind.model_validate(getattr(weight.card, section))
    except ValidationError as fault:
        raise WeightsError("K306", path=card_path(weight.path), reason=_first_reason(fault, section)) from fault


def load_tensors(weight: WeightFile) -> dict[str, Tensor]:
    """Read the tensors of a weight file: floating point as float32, on the CPU.

    Raises:
        WeightsError: K302 if the file is not the one of its card, K305 if it is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = weight.read()
    try:
        tensors = load(content)
    except SafetensorError as fault:
        raise WeightsError("K305", path=weight.path, reason=fault) from fault
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def load_into(model: nn.Module, weight: WeightFile) -> None:
    """Read a weight file into a network.

    Raises:
        WeightsError: K302, K305 as :func:`load_tensors`; K304 if names or shapes differ from the network's.
    """
    tensors, wanted = load_tensors(weight), model.state_dict()
    reason = None
    if missing := sorted(wanted.keys() - tensors.keys()):
        reason = f"{missing[0]} is missing"
    elif surplus := sorted(tensors.keys() - wanted.keys()):
        reason = f"there is no place for {surplus[0]}"
    elif differing := sorted(name for name in wanted if wanted[name].shape != tensors[name].shape):
        name = differing[0]
        reason = f"{name} has shape {tuple(tensors[name].shape)}, the model needs {tuple(wanted[name].shape)}"
    if reason is not None:
        raise WeightsError("K304", path=weight.path, stage=weight.stage, reason=reason)
    model.load_state_dict(tensors)


def load_matching(model: nn.Module, weight: WeightFile) -> tuple[str, ...]:
    """Read what fits of a weight file into a network, to train on from there.

    Returns:
        names of the network's tensors that keep their values, because the file has none of that name and shape.

    Raises:
        WeightsError: K302, K305 as :func:`load_tensors`; K304 if nothing fits.
    """
    tensors, wanted = load_tensors(weight), model.state_dict()
    fitting = {name: t for name, t in tensors.items() if name in wanted and wanted[name].shape == t.shape}
    if not fitting:
        raise WeightsError("K304", path=weight.path, stage=weight.stage, reason="no tensor has its name and shape")
    model.load_state_dict(fitting, strict=False)
    return tuple(sorted(wanted.keys() - fitting.keys()))


def save(tensors: Mapping[str, Tensor], card: ModelCard, path: str | Path) -> WeightFile:
    """Write tensors in half precision, and the card beside them with the checksum filled in.

    Both files appear when they are complete. A tensor that half precision cannot hold stays as it is.

    Args:
        path: of the ``.safetensors`` file.
    """
    import torch
    from safetensors.torch import save as serialise

    def halved(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu()
        if not tensor.is_floating_point():
            return tensor.contiguous()
        half = tensor.half()
        return (half if bool(torch.isfinite(half).all()) else tensor).contiguous()

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = serialise({name: halved(tensor) for name, tensor in tensors.items()})
    card = card.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    _replace(path, content)
    _replace(card_path(path), (card.model_dump_json(indent=2) + "\n").encode())
    return WeightFile(card.stage, path.stem, path, card.sha256, card)


def card_path(path: Path) -> Path:
    """Where the model card of a weight file is."""
    return path.with_suffix(".json")


def _with_card(path: Path) -> WeightFile:
    beside = card_path(path)
    try:
        card = ModelCard.model_validate_json(beside.read_bytes())
    except FileNotFoundError as fault:
        raise WeightsError("K303", path=path, card=beside.name) from fault
    except (OSError, ValidationError) as fault:
        reason = _first_reason(fault) if isinstance(fault, ValidationError) else str(fault)
        raise WeightsError("K306", path=beside, reason=reason) from fault
    return WeightFile(card.stage, path.stem, path, card.sha256, card)


def _first_reason(fault: ValidationError, *section: str) -> str:
    first = fault.errors(include_url=False)[0]
    return f"{'.'.join(map(str, (*section, *first['loc']))) or 'JSON'}: {first['msg']}"


def _folder(stage: str) -> Path:
    return Path(str(files(_STAGES).joinpath(stage, "weights")))


def _shipped_paths(stage: str) -> list[Path]:
    return sorted(_folder(stage).glob("*.safetensors"))


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
