"""What a recorder of a transcript is called: one records at each place at a time (``server.recorders``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from server.store.records import Track


@dataclass(frozen=True, slots=True)
class Place:
    """What a source called its track and its speaker; nothing of both is the transcript's own recorder."""

    track: str | None = None
    speaker: str | None = None

    @classmethod
    def of(cls, track: Track) -> Self:
        """As it can still be told from the record: names that we gave say that none was given."""
        speaker = track.speaker or ""
        return cls(
            None if re.fullmatch(r"track-\d+", track.name) else track.name,
            None if re.fullmatch(r"Speaker \d+", speaker) else speaker,
        )

    @property
    def is_own(self) -> bool:
        """Nothing was named."""
        return not self.track and not self.speaker
