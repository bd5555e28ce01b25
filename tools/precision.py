"""Which arithmetic a machine does well: measured for half a second, not read off its name.

bfloat16 has half the bits of float32. Where a processor or a GPU has instructions for it, training
gets up to twice as fast; where it has none, a pass through a small CLIP was measured 13 times
*slower*. More threads help a large model and can hinder a small one. So the work itself is timed at
the start, choice beside choice. Another arithmetic gives other last bits: who promises the same
result for the same seed keeps the `Precision` with the result. Dreams never choose.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from math import inf

import torch

from dreamlab.support.memory import wait

WORTH = 1.1  # what is no more than this many times as fast is not worth another last bit


@dataclass(frozen=True)
class Precision:
    """Plain values, to be stored with what was made by them.

    Attributes:
        dtype: "float32" or "bfloat16".
        threads: for `torch.set_num_threads`.
        device: "cpu", "cuda" …
        measured: how the choices compared; "" if nothing was.
    """

    dtype: str
    threads: int
    device: str = "cpu"
    measured: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "bfloat16") or self.threads < 1:
            raise ValueError(f"no such precision: {self.dtype} with {self.threads} threads")

    def autocast(self) -> AbstractContextManager:
        """Within this, what may be rounded is computed in `dtype`."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.dtype == "bfloat16")

    def __str__(self) -> str:
        words = f"{self.dtype} on {self.device}"
        if self.device == "cpu":
            words += f" with {_threads(self.threads)}"
        return f"{words} (measured: {self.measured})" if self.measured else words


def choose_precision(
    run: Callable[[], object], seconds: float = 0.5, *, device: str | torch.device = "cpu"
) -> Precision:
    """Time `run` with fewer threads, then in bfloat16, and return what is fastest.

    Args:
        run: does a typical piece of the work, forward and backward, within `autocast`; a dozen
            times if it takes 20 ms, at least twice for each choice that is not hopeless.
        seconds: how long to measure, about.
        device: where `run` works. Fewer threads are tried on a CPU only, and never more than
            PyTorch uses now.

    Returns:
        Float32 and the present number of threads, unless another choice was more than 1.1 times as
        fast. The number of threads itself is left as it was.
    """
    before, on_cpu = torch.get_num_threads(), torch.device(device).type == "cpu"
    halves = [before >> n for n in range(before.bit_length())] if on_cpu else [before]
    said = []

    def fastest(candidates: Sequence[Precision], names: Sequence[str]) -> Precision:
        times = _race(run, candidates, seconds / 2)
        for name, taken in zip(names[1:], times[1:], strict=True):
            compared = f"{times[0] / taken:.2g} × as fast as {names[0]}"
            said.append(f"{name} {compared}" if taken < inf else f"no {name} here")
        return candidates[times.index(min(times)) if times[0] > WORTH * min(times) else 0]

    try:
        counts = [Precision("float32", n, str(device)) for n in halves]
        best = fastest(counts, [_threads(n) for n in halves])
        dtypes = ("float32", "bfloat16")
        best = fastest([replace(best, dtype=dtype) for dtype in dtypes], dtypes)
    finally:
        torch.set_num_threads(before)
    return replace(best, measured=", ".join(said))


def _race(
    run: Callable[[], object], candidates: Sequence[Precision], seconds: float
) -> list[float]:
    """The least seconds that each took, in turns; infinity for what this device cannot do.

    The first turn warms up. Whoever needed more than `seconds` for it, and twice the time of the
    first candidate, is not asked again.
    """
    end = time.perf_counter() + seconds
    warm_up = [_time(run, candidates[0])]
    for candidate in candidates[1:]:
        try:
            warm_up.append(_time(run, candidate))
        except RuntimeError:  # among them NotImplementedError: no such arithmetic on this device
            warm_up.append(inf)
    running = [i for i, took in enumerate(warm_up) if took < max(seconds, 2 * warm_up[0])]
    best: dict[int, float] = {}
    while len(running) > 1:
        for i in running:
            best[i] = min(best.get(i, inf), _time(run, candidates[i]))
        if time.perf_counter() > end:
            break
    return [best.get(i, took) for i, took in enumerate(warm_up)]


def _time(run: Callable[[], object], candidate: Precision) -> float:
    torch.set_num_threads(candidate.threads)
    wait(candidate.device)
    begin = time.perf_counter()
    with candidate.autocast():
        run()
    wait(candidate.device)
    return time.perf_counter() - begin


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"
