"""What stages have in common whose options name the weights of one network."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from karyonet.stage import Stage
from karyonet.weights import WeightFile, find

if TYPE_CHECKING:
    import torch


class OnDevice(Protocol):
    """A network that knows where it runs."""

    device: torch.device


Network = TypeVar("Network", bound=OnDevice)


class NetworkStage(Stage, Generic[Network]):
    """A stage with one network, whose ``Options`` have ``weights``; it is loaded when it is first needed.

    Raises:
        WeightsError: K301, K303, K304 or K306 when the stage is built; K302, K304 or K305 at the network's first use.
    """

    weights_of: ClassVar[str]
    """Folder of the stage, whose shipped weights can be named."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._weight = find(self.weights_of, self.options.weights)
        self._network: Network | None = None

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path | None = None, **options: Any) -> Self:
        """With shipped weights, by default those of the stage's options, or with those of a ``.safetensors`` file.

        Raises:
            WeightsError: K3xx if there are no such weights or they do not fit.
        """
        return cls(**options) if name_or_path is None else cls(**({"weights": str(name_or_path)} | options))

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        return (self._weight,)

    @property
    def device(self) -> str | None:
        return None if self._network is None else self._network.device.type

    @property
    def network(self) -> Network:
        """The network, loaded at its first use."""
        if self._network is None:
            self._network = self.load(self._weight)
        return self._network

    @abstractmethod
    def load(self, weight: WeightFile) -> Network:
        """Load the network; torch is imported here and not before."""
