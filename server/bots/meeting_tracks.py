"""Whose tracks of a meeting are, by their names."""

from __future__ import annotations

import re

from server.store.records import Track

MIXED = "mixed"  # the sound of a whole room
_TOLD = " (told)"  # words that another recogniser made, beside which there may be sound of the same participant


def name_of(participant_id: int | None) -> str:
    """What the track of their sound is called; None: of the whole room."""
    return MIXED if participant_id is None else f"participant-{participant_id}"


def told_name_of(participant_id: int | None) -> str:
    """What the track of words is called that others made of their sound."""
    return name_of(participant_id) + _TOLD


def participant_id_of(track: Track) -> int | None:
    """Whose it is; None for the whole room."""
    found = re.fullmatch(r"participant-(\d+)", track.name.removesuffix(_TOLD))
    return None if found is None else int(found[1])


def is_of_room(track: Track) -> bool:
    return track.name.removesuffix(_TOLD) == MIXED


def is_told(track: Track) -> bool:
    return track.name.endswith(_TOLD)
