"""Which arithmetic this processor does well: measured for half a second, not read off its name.

bfloat16 has half the bits of float32. Where a processor or a GPU has instructions for it, training
gets up to twice as fast; where it has none, numbers are taken apart and put together in software,
and a pass through a small CLIP was measured 13 times *slower*. More threads help a large model and
can hinder a small one. So the work itself is timed, choice beside choice, at the start:

    chosen = choose_precision(step, device="cpu")  # `step` does the work once, and keeps nothing
    print(chosen)
    torch.set_num_threads(chosen.threads)
    for batch in batches:
        with chosen.autocast():  # round the forward passes; backward follows by itself
            loss = …

A measurement may come out differently the next time, and other arithmetic gives other last bits.
Whoever promises the same result for the same seed therefore decides once and keeps the decision
with the result: `Precision(dtype, threads, device)` brings it back. Dreams promise that, and never
choose by themselves: they are in float32, with as many threads as PyTorch has.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from math import inf

import torch

DTYPES = ("float32", "bfloat16")
WORTH = 1.1  # what is no more than this many times as fast is not worth another last bit


@dataclass(frozen=True)
class Precision:
    """A decision: plain values, to be stored with what was made by it. `str()` says it in words.

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
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")

    def autocast(self) -> AbstractContextManager:
        """Within this, what may be rounded is computed in `dtype`. Float32 stays as it is."""
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
        run: does a typical piece of the work, forward and backward, and changes nothing that
            counts. It is called within `autocast`, a dozen times if it takes some 20 ms; one that
            takes seconds is still called at least twice for each choice that is not hopeless.
        seconds: how long to measure, about.
        device: where `run` works. Threads are a question on the CPU alone, and there never more
            than PyTorch uses now, so OMP_NUM_THREADS keeps its say.

    Returns:
        What to use. Float32 and the present number of threads, unless another choice was more than
        1.1 times as fast. The number of threads itself is left as it was.
    """
    kind = torch.device(device).type
    before = torch.get_num_threads()
    halves = [before >> n for n in range(before.bit_length())] if kind == "cpu" else [before]
    said = []

    def fastest(candidates: Sequence[Precision], names: Sequence[str]) -> Precision:
        times = _race(run, candidates, seconds / 2)
        for name, each in zip(names[1:], times[1:], strict=True):
            compared = f"{times[0] / each:.2g} × as fast as {names[0]}"
            said.append(f"{name} {compared}" if each < inf else f"no {name} here")
        least = min(times)
        return candidates[times.index(least) if times[0] > WORTH * least else 0]

    try:
        best = fastest(
            [Precision("float32", n, str(device)) for n in halves], [_threads(n) for n in halves]
        )
        best = fastest([replace(best, dtype=dtype) for dtype in DTYPES], DTYPES)
    finally:
        torch.set_num_threads(before)
    return replace(best, measured=", ".join(said))


def _race(
    run: Callable[[], object], candidates: Sequence[Precision], seconds: float
) -> list[float]:
    """The least seconds that each took; infinity for what this device cannot do.

    They run in turns, so that whatever else the machine does meets all of them, and the least is
    what it disturbed the least. The first turn warms up. Who needed more than all of `seconds` for
    it, and twice the time of the first candidate, is not asked again.
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


def wait(device: str | torch.device) -> None:
    """Until the device has done what was asked of it; a CPU always has."""
    kind = torch.device(device).type
    if kind != "cpu":
        getattr(torch, kind).synchronize()


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"
