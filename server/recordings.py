"""Where the recordings of tracks lie, and the few that readers asked for last."""

from __future__ import annotations

from pathlib import Path

from media.recording import Recording
from server.mixes import AT_ONCE_MAX
from server.store.records import Track

RECORDINGS_MAX = 2 * AT_ONCE_MAX
"""Those of two mixes: of one alone any other reader would push some out. An hour of one is half a megabyte of places,
what was decoded last as much."""


class Recordings:
    """In ``folder``; a player asks for parts of one, one by one, and each knows by then where what lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[Path, Recording] = {}  # the latest last

    def path_of(self, track: Track) -> Path:
        return self._folder / track.path

    def of(self, track: Track) -> Recording:
        path = self.path_of(track)
        recording = self._kept.pop(path, None) or Recording(path)
        self._kept[path] = recording
        if len(self._kept) > RECORDINGS_MAX:
            del self._kept[next(iter(self._kept))]
        return recording

    def let_go(self, path: Path) -> None:
        """It is about to be removed."""
        self._kept.pop(path, None)

    def forget(self, transcript_id: str) -> None:
        folder = self._folder / transcript_id
        for path in [path for path in self._kept if path.is_relative_to(folder)]:
            del self._kept[path]
