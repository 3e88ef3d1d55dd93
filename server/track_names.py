"""What the tracks of a transcript are called in the names of files: each otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from server.download_names import PART_MAX_BYTES, file_stem
from server.store.records import Participant, Track


def track_names(tracks: Sequence[Track], participants: Sequence[Participant]) -> dict[str, str]:
    """By the id of each track: whose voice it is as people call them now, or what its client called it.

    Two of one name are told apart by their numbers.
    """
    called = {each.speaker: each.name for each in participants if each.speaker is not None}
    names = {each.id: called.get(each.speaker or "", each.speaker or "") or each.name for each in tracks}
    stems = {track_id: file_stem(name, "", PART_MAX_BYTES) for track_id, name in names.items()}
    numbered = {track_id: f"{number} {stem}".rstrip() for number, (track_id, stem) in enumerate(stems.items(), start=1)}
    # Somebody may be called just what another is called with a number.
    taken = Counter(stem.casefold() for stem in (*stems.values(), *numbered.values()))
    return {
        track_id: stem if stem and taken[stem.casefold()] == 1 else numbered[track_id]
        for track_id, stem in stems.items()
    }
