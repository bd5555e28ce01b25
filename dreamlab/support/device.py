"""What differs from device to device."""

import torch


def wait(device: str | torch.device) -> None:
    """Until the device has done what was asked of it; a CPU always has."""
    kind = torch.device(device).type
    if kind != "cpu":
        getattr(torch, kind).synchronize()
