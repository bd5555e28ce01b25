"""Timing on machines that do other things as well: two jobs in turns, and what their times say.

A ratio of two times that were taken right after each other holds on a busy machine, where neither
of the times does.
"""

import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dreamlab.support.cores import usable_cores
from dreamlab.support.precision import wait

WARM_UP = 3  # pairs that are not counted: allocators and caches fill
FEWEST = 3  # pairs that are counted, however long they take


@dataclass(frozen=True)
class Pairs:
    """Seconds of two jobs, taken in turns."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.first, self.second, strict=True)]

    @property
    def ratio(self) -> float:
        """The median over the pairs of first / second."""
        return statistics.median(self.ratios)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between these lies the middle half of the ratios."""
        if len(self.first) == 1:
            return self.ratio, self.ratio
        low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return low, high

    @property
    def medians(self) -> tuple[float, float]:
        """Seconds of the first and of the second job."""
        return statistics.median(self.first), statistics.median(self.second)

    def row(self) -> dict[str, float]:
        """The ratio with its quartiles and the number of pairs, as plain numbers."""
        low, high = self.quartiles
        return {"ratio": self.ratio, "low": low, "high": high, "pairs": len(self.first)}


def in_turns(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    device: torch.device,
    pairs: int = 30,
    most: float = 60.0,
    prepare: Callable[[], object] = lambda: None,
) -> Pairs:
    """Time two jobs, each time one right after the other.

    Args:
        first, second: what to time.
        device: where they work.
        pairs: how many times, at least 1; besides, a few are done and not counted.
        most: seconds of the jobs after which no more pairs are begun, once a few are counted.
        prepare: done before each pair, and not timed.

    Raises:
        ValueError: `pairs` is less than 1.
    """
    if pairs < 1:
        raise ValueError(f"pairs is how often to time, at least 1, got {pairs}")
    times: list[tuple[float, float]] = []
    warm_up = WARM_UP
    while len(times) < warm_up + pairs:
        prepare()
        if len(times) % 2:  # in turns, so that neither always runs in the wake of the other
            late = seconds(second, device)
            times.append((seconds(first, device), late))
        else:
            times.append((seconds(first, device), seconds(second, device)))
        passed = sum(map(sum, times))
        if len(times) == 1 and passed > most / (WARM_UP + FEWEST):
            warm_up = 1  # of long jobs, one is warm-up enough
        if passed > most and len(times) >= warm_up + FEWEST:
            break
    a, b = zip(*times[warm_up:], strict=True)
    return Pairs(a, b)


def seconds(job: Callable[[], object], device: torch.device) -> float:
    """How long a job takes: by the wall clock, or what this thread computed if it is the only one.

    The latter does not count the time in which a busy machine did something else.
    """
    clock = time.perf_counter
    exact = time.get_clock_info("thread_time").resolution < 1e-5  # on Windows it is not
    if device.type == "cpu" and torch.get_num_threads() == 1 and exact:
        clock = time.thread_time
    wait(device)
    begin = clock()
    job()
    wait(device)
    return clock() - begin


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers belong to, as plain values; None for what this system does not tell."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": str(device),
        "accelerator": accelerator,
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "memory_gb": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return None


def peak_memory() -> float | None:
    """The most memory that this process ever held, in GB; None where the system does not say."""
    try:  # on Linux, `resource` starts from what the process held that started this one
        status = Path("/proc/self/status").read_text("utf-8")
        return int(re.search(r"VmHWM:\s*(\d+) kB", status).group(1)) / 1e6
    except (OSError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e9 if platform.system() == "Darwin" else 1e6)  # bytes there, kB elsewhere
