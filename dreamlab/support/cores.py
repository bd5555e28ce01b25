"""How much of a computer, or of a container on it, there is for us."""

# Imported by `dreamlab.course.machine`, so read by older Pythons too.
from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(root: Path = CGROUP) -> int:
    """Processor cores that this program may use, a container's share included, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file, or it says "max"
        quota, period = map(int, (root / "cpu.max").read_text().split())
        cores = min(cores, -(-quota // period))
    return max(1, cores)


def memory_limits(root: Path = CGROUP) -> Iterator[tuple[int, Path]]:
    """The bytes that a container may have, and the file that says how many it has taken."""
    old = "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"
    for limit, usage in (("memory.max", "memory.current"), old):
        with contextlib.suppress(OSError, ValueError):  # there is no such file, or it says "max"
            yield int((root / limit).read_text()), root / usage
