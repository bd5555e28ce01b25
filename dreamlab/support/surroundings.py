"""PyTorch's settings for a whole program, kept away from what we compute in float32."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import torch

KINDS = ("cpu", "cuda", "mps", "xpu")  # of device, with an autocast each


@contextmanager
def undisturbed(gradients: bool | None = True) -> Iterator[None]:
    """For this block, PyTorch set as in a fresh program; `gradients=None` leaves those."""
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
    with suppress(RuntimeError):  # this version of PyTorch has no autocast for it
        return torch.is_autocast_enabled(kind)
    return False
