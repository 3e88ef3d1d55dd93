"""Frames on their way from the threads that read them to the one loop that hears."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

INBOX_MAX_BYTES = 4 << 20


class Frame(NamedTuple):
    """What ``owner`` sent. Without a header: that owner is gone (``asr.worker_links``)."""

    owner: int
    header: bytes
    payload: bytes


class Inbox:
    """Bounded by bytes; policy: block the reader, hence the socket."""

    def __init__(self, max_bytes: int = INBOX_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Blocks while the inbox is full; a single frame always fits an empty one."""
        size = len(frame.header) + len(frame.payload)
        with self._changed:
            self._changed.wait_for(lambda: not self._frames or self._bytes + size <= self._max_bytes)
            self._frames.append(frame)
            self._bytes += size
            self._changed.notify_all()

    def take(self, timeout_s: float) -> list[Frame]:
        """Everything there is, after waiting for something for at most ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._frames), timeout_s)
            frames = list(self._frames)
            self._frames.clear()
            self._bytes = 0
            self._changed.notify_all()
        return frames
