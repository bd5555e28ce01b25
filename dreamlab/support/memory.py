"""As many views at once as fit into memory; what cannot fit in any way is refused before."""

import importlib
import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import torch
from torch import Tensor

from dreamlab.support.cores import memory_limits


class Groups:
    """Does the same work on many rows: all at once, or in groups since memory ran out."""

    def __init__(self) -> None:
        self.size: int | None = None  # all of them, until memory runs out

    def work(self, do: Callable[[slice], tuple[Tensor, ...]], count: int) -> tuple[Tensor, ...]:
        """What `do` gives for rows 0 … count − 1, in groups that fit into memory."""
        while True:
            size = min(self.size or count, count)
            try:
                parts = [do(slice(i, i + size)) for i in range(0, count, size)]
                break
            except (RuntimeError, MemoryError) as error:
                if size == 1 or not out_of_memory(error):
                    raise
            # Outside the except clause: the error no longer holds the tensors that did not fit.
            if self.size is None:
                words = f"{size} views at once do not fit into memory: encoding them in smaller"
                words += " groups. Fewer views or pictures, or a smaller model, would be faster."
                warnings.warn(words, stacklevel=5)  # whoever asked the dream for a step
            self.size = (size + 1) // 2
        if len(parts) == 1:
            return parts[0]
        return tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))


def wait(device: str | torch.device) -> None:
    """Until the device has done what was asked of it; a CPU always has."""
    if (kind := torch.device(device).type) != "cpu":
        getattr(torch, kind).synchronize()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    # CUDA raises its own class; the CPU and MPS allocators a RuntimeError with a sentence.
    sentences = ("out of memory", "can't allocate memory", "not enough memory")
    known = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    return known or any(sentence in str(error).lower() for sentence in sentences)


def require_memory(
    images: int, canvas: tuple[int, int], views: int, side: int, device: torch.device
) -> None:
    """Raise a ValueError for a step that holds more numbers than the device has memory for."""
    # Of an image: pixels and Adam's means before and after, gradient, direction. Of a view, of
    # `side` px: itself and its gradient.
    needed = 4 * 3 * images * (8 * math.prod(canvas) + 2 * views * side**2)
    if needed > (there := total_memory(device)):
        raise ValueError(
            f"{canvas[0]} × {canvas[1]} px, {images} at once, each seen through {views} views in a "
            f"step, need more than {needed / 1e9:.0f} GB of memory, and {device.type} has "
            f"{there / 1e9:.0f}: take fewer pictures, fewer views or a smaller canvas"
        )


@cache
def total_memory(device: torch.device) -> float:
    """Bytes that a device has in all, a container's limit included; infinity if nobody says."""
    with suppress(Exception):  # neither the CPU has this, nor "mps", which shares its memory
        return getattr(torch, device.type).get_device_properties(device).total_memory
    found = [math.inf]
    with suppress(Exception):  # psutil is missing, or does not know this system
        found.append(importlib.import_module("psutil").virtual_memory().total)
    return min(found + [limit for limit, _ in memory_limits()])
