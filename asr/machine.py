"""What this machine has for one more inference process: cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

_MEMORY_SHARE = 0.8  # of what is free; the rest is for what was not thought of
_MEMORY_GUESS_BYTES = 4 << 30  # where it cannot be found out


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> int:
    """Memory that could be had without swapping."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return _MEMORY_GUESS_BYTES


def one_per_core(each_bytes: int) -> int:
    """Processes of ``each_bytes``, this one included, as far as cores and free memory go; at least this one."""
    return max(1, min(cores(), 1 + int(free_bytes() * _MEMORY_SHARE) // each_bytes))
