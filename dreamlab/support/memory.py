"""As many views at once as fit into memory: all are tried, half of them when it runs out, …"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor


class Groups:
    """Does the same work on many rows: all at once, or in groups since memory ran out."""

    def __init__(self) -> None:
        self.size: int | None = None  # all of them, until memory runs out

    def work(self, do: Callable[[slice], tuple[Tensor, ...]], count: int) -> tuple[Tensor, ...]:
        """What `do` gives for rows 0 … count − 1; the pieces of several groups are joined.

        Raises:
            RuntimeError, MemoryError: what `do` raises, if it is not about memory or if a single
                row does not fit.
        """
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
                warnings.warn(
                    f"{size} views at once do not fit into memory: encoding them in smaller "
                    "groups, with the same result but more slowly. Fewer views, fewer pictures in "
                    "one run or a smaller model would be faster.",
                    stacklevel=5,  # whoever asked the dream for a step
                )
            self.size = (size + 1) // 2
        if len(parts) == 1:
            return parts[0]
        return tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    # CUDA raises its own class; the CPU and MPS allocators a RuntimeError with a sentence.
    sentences = ("out of memory", "can't allocate memory", "not enough memory")
    known = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    return known or any(sentence in str(error).lower() for sentence in sentences)
