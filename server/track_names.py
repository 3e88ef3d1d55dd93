"""What the tracks of a transcript are called in the names of files: each otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from server.download_names import PART_MAX_BYTES, file_stem
from server.store.records import Participant, Track


def track_names(
    tracks: Sequence[Track], participants: Sequence[Participant], labels: Mapping[tuple[str, int], str]
) -> dict[str, str]:
    """By the id of each track: whose voice it is as people call them now, or what its client called it, where it is
    nobody's alone. ``labels``: of the voices that were told apart, by track and number.

    Two of one name are told apart by their numbers.
    """
    called = {each.speaker: each.name for each in participants if each.speaker is not None}
    speakers = {each.id: each.speaker for each in tracks}
    mixed = {track_id for (track_id, _), label in labels.items() if label != speakers.get(track_id)}
    whose = {each.id: "" if each.id in mixed else each.speaker or "" for each in tracks}
    names = {each.id: called.get(whose[each.id], whose[each.id]) or each.name for each in tracks}
    stems = {track_id: file_stem(name, "", PART_MAX_BYTES) for track_id, name in names.items()}
    numbered = {track_id: f"{number} {stem}".rstrip() for number, (track_id, stem) in enumerate(stems.items(), start=1)}
    # Somebody may be called just what another is called with a number.
    taken = Counter(stem.casefold() for stem in (*stems.values(), *numbered.values()))
    return {
        track_id: stem if stem and taken[stem.casefold()] == 1 else numbered[track_id]
        for track_id, stem in stems.items()
    }
