"""How much memory libav may ask for at once, so that a few hundred bytes cannot make it fill the machine.

A header may say that a hundred million samples follow, and the MP4 demuxer makes room for an index of them all before
the first is read: 3 GB for a file of 640 bytes. libav has a limit for one allocation (``av_max_alloc``), 2 GB by
default; PyAV does not show it, so it is set in the library that PyAV has loaded.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

ALLOCATION_MAX_BYTES = 32 << 20
"""The index of a film of six hours at 60 pictures a second is 31 MB; nothing else in a file of sound is as large."""


def _candidates() -> Iterator[str]:
    spec = importlib.util.find_spec("av")
    for root in map(Path, (spec.submodule_search_locations or []) if spec else []):
        for folder, pattern in ((root.parent / "av.libs", "libavutil[-.]*so*"), (root / ".dylibs", "libavutil.*dylib")):
            yield from sorted(str(path) for path in folder.glob(pattern))
    system = ctypes.util.find_library("avutil")
    if system:
        yield system


@functools.cache
def bound_allocations() -> bool:
    """Set the limit for this process, once; whether there is a library to set it in."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            library.av_max_alloc.restype = None
            library.av_max_alloc.argtypes = [ctypes.c_size_t]
            library.av_max_alloc(ALLOCATION_MAX_BYTES)
        except (OSError, AttributeError):
            continue
        return True
    log.warning("libav's allocations cannot be bounded here")
    return False
