"""What in a crop spoke for a kind: class activation maps of the network.

Grad-CAM (Selvaraju et al., ICCV 2017) weighs each channel of the last map by its mean gradient. Here the last map is
too coarse to point at a contact (3 × 3 for crops of 96 pixels), and in an earlier one a mean gradient over all places
says little about any of them. LayerCAM (Jiang et al., IEEE Transactions on Image Processing 30, 2021) is made for
earlier layers: it weighs every place of every channel by its own positive gradient, ``ReLU(Σ_k ReLU(∂y/∂A_k) · A_k)``
with y the logit of the kind and A_k a channel of the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.case import FloatArray
from karyonet.errors import ArrayError
from karyonet.explanation import Explanations
from karyonet.geometry.region import Region

from .crops import CHANNELS, chromosome_size
from .inference import TypeNetwork
from .kinds import KINDS
from .model import ClusterNetwork
from .network_stage import ClusterTypes

FINEST = 6
"""Cells along each side that a map must have at least to tell a contact from a crossing beside it."""
_MIRRORS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes that crops are mirrored along. A convolution of stride 2 looks at every second cell alone, which chequers the
gradients, and its cells lie half a step to one side; the mean over the mirror images has neither."""


def explain_types(
    network: TypeNetwork,
    optical_density: FloatArray,
    regions: Sequence[Region],
    said: ClusterTypes,
    size: float | None = None,
    kinds: Sequence[str] | None = None,
) -> Explanations:
    """What spoke for the kinds of components; see :meth:`karyonet.stages.cluster_type.SupCAM.explain`.

    Args:
        network: the weights in use.
        optical_density, regions, size: as the network judged them.
        said: what it said of them.
        kinds: of each component, the kind to explain; None takes what the network said.

    Raises:
        ArrayError: K501 if ``kinds`` are not one of :data:`~karyonet.stages.cluster_type.kinds.KINDS` for each region.
    """
    explained = said.kinds if kinds is None else tuple(kinds)
    if len(explained) != len(regions) or not set(explained) <= set(KINDS):
        expected = f"{len(regions)} of {', '.join(KINDS)}"
        raise ArrayError("K501", what="kinds", expected=expected, actual=", ".join(explained) or "empty")
    indices = np.array([KINDS.index(kind) for kind in explained], dtype=np.int64)
    if size is None:
        size = chromosome_size(regions) if regions else 1.0
    crops = network.crops(optical_density, regions, size)
    layer, cells = explained_layer(network.model, network.settings.side)
    return Explanations(
        kinds=explained,
        probabilities=said.probabilities[np.arange(len(regions)), indices],
        counts=said.counts,
        most=said.count_probabilities.shape[1],
        crops=crops,
        maps=activation_maps(network.model, layer, crops, indices, network.device, network.batch_size),
        method=f"LayerCAM of {layer}, {cells} by {cells} cells",
    )


def explained_layer(model: ClusterNetwork, side: int) -> tuple[str, int]:
    """The last stage of the backbone of which the map has at least :data:`FINEST` cells a side, and how many it has.

    Args:
        side: of the crops in pixels.
    """
    names = [stage["module"] for stage in cast("list[dict[str, Any]]", model.backbone.feature_info)]
    cells: dict[str, int] = {}

    def measure(name: str) -> None:
        def hook(module: nn.Module, given: object, output: Tensor) -> None:
            cells[name] = min(output.shape[2:])

        hooks.append(model.backbone.get_submodule(name).register_forward_hook(hook))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    try:
        for name in names:
            measure(name)
        with torch.inference_mode():
            weight = next(model.parameters())
            model(torch.zeros(1, CHANNELS, side, side, device=weight.device))
    finally:
        for hook in hooks:
            hook.remove()
    fine = [name for name in names if cells[name] >= FINEST] or names[:1]
    return fine[-1], cells[fine[-1]]


def activation_maps(
    model: ClusterNetwork,
    layer: str,
    crops: FloatArray,
    kinds: NDArray[np.int64],
    device: torch.device,
    batch_size: int = 64,
) -> FloatArray:
    """LayerCAM of crops, the mean over their mirror images, each divided by its largest value.

    Args:
        model: in evaluation mode.
        layer: of the backbone, its name.
        crops: float32, shape (n, 2, side, side).
        kinds: int64, shape (n,), indices in :data:`~karyonet.stages.cluster_type.kinds.KINDS` of what is explained.
        device: where the model is.
        batch_size: crops at a time.

    Returns:
        float32, shape (n, side, side), 0–1.
    """
    maps = np.zeros((len(crops), *crops.shape[2:]), dtype=np.float32)
    for start in range(0, len(crops), batch_size):
        rows = slice(start, start + batch_size)
        images, indices = (torch.from_numpy(part[rows]).to(device) for part in (crops, kinds))
        mirrored = [_layer_cam(model, layer, images.flip(axes), indices).flip(axes) for axes in _MIRRORS]
        mean = torch.stack(mirrored).mean(dim=0)
        whole = F.interpolate(mean, size=crops.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        peak = whole.amax(dim=(1, 2), keepdim=True)
        maps[rows] = torch.where(peak > 0, whole / peak, 0.0).clamp(0, 1).cpu().numpy()
    return maps


def _layer_cam(model: ClusterNetwork, layer: str, crops: Tensor, kinds: Tensor) -> Tensor:
    """LayerCAM as it is, float32, shape (n, 1, height, width) of the layer."""
    found: list[Tensor] = []

    def hook(module: nn.Module, given: object, output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[0].clone()  # what follows may work in place

    handle = model.backbone.get_submodule(layer).register_forward_hook(hook)
    try:
        with torch.enable_grad():
            said = model(crops.contiguous(memory_format=torch.channels_last)).kinds
            # Crops of a batch do not depend on each other, so one sum has the gradients of all.
            (gradient,) = torch.autograd.grad(said.gather(1, kinds[:, None]).sum(), found[0])
    finally:
        handle.remove()
    return F.relu((F.relu(gradient) * found[0].detach()).sum(dim=1, keepdim=True))
