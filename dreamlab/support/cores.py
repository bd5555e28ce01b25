"""How many processor cores there are for us."""

# Imported by `dreamlab.course.machine`, so read by older Pythons too.
from __future__ import annotations

import contextlib
import os
from pathlib import Path


def usable_cores(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Processor cores that this program may use, a container's share included, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file, or it says "max"
        quota, period = map(int, (root / "cpu.max").read_text().split())
        cores = min(cores, -(-quota // period))
    return max(1, cores)
