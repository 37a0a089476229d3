"""Where a network runs, and with which number format. torch is imported on first use, so that options stay quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "bf16", "fp32"]


def choose_device(name: DeviceName = "auto") -> torch.device:
    """The device of a name; ``auto`` takes a GPU where there is one."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def use_bfloat16(device: torch.device, precision: Precision = "auto") -> bool:
    """Whether to run in bfloat16; ``auto`` says yes where the hardware multiplies in it."""
    import torch

    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name, False)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def autocast(device: torch.device, precision: Precision = "auto") -> torch.autocast:
    """A context in which matrix products and convolutions run in the chosen format."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=use_bfloat16(device, precision))
