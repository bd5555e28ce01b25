"""PyTorch's settings for a whole program (default dtype and device, inference mode, autocast,
precision, search for anomalies), kept away from what we compute, in float32 on its CLIP's device.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

KINDS = ("cpu", "cuda", "mps", "xpu")  # of device, with an autocast each


@contextmanager
def undisturbed(gradients: bool | None = True) -> Iterator[None]:
    """Within this, PyTorch is set as in a fresh program; afterwards, as it was before.

    Args:
        gradients: whether they are taken; None leaves that to the caller.
    """
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    gradients = torch.is_grad_enabled() if gradients is None else gradients
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        if torch.is_anomaly_enabled():
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
        if precision != "highest":
            torch.set_float32_matmul_precision("highest")
            stack.callback(torch.set_float32_matmul_precision, precision)
        for kind in filter(_rounds, KINDS):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        yield


def _rounds(kind: str) -> bool:
    try:
        return torch.is_autocast_enabled(kind)
    except RuntimeError:  # this version of PyTorch has no autocast for it
        return False
