"""Which voices of a track have which label, and which labels a pass leaves where they are: somebody else's, or known
to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from server.speaker_labels import number_of
from server.store.records import StoredSegment, Track
from server.store.store import Store


async def known_labels(
    store: Store, track: Track, segments: Sequence[StoredSegment], labels: Mapping[tuple[str, int], str]
) -> set[str]:
    """Of the transcript, but for what its other tracks say. ``segments``: of the track; ``labels``: of its voices, by
    track and number."""
    known = {each.speaker for each in await store.participants_of(track.transcript_id) if each.speaker is not None}
    known |= {label for (of_track, _), label in labels.items() if of_track != track.id}
    known |= {label for label, voices in Counter(labels.values()).items() if voices > 1}  # that people made one
    known |= {other.speaker for other in await store.tracks_of(track.transcript_id) if other.speaker} - {track.speaker}
    known |= {stored.segment.label for stored in segments if stored.segment.speaker_set and stored.segment.label}
    return known | (await store.voices.enrolled.recognised_in(track.transcript_id)).keys()


async def behind_the_first(
    store: Store,
    track: Track,
    segments: Sequence[StoredSegment],
    labels: Mapping[tuple[str, int], str],
    others: Collection[str],
) -> list[int] | None:
    """Voices of the track that may take the place of its own one where that is nobody's any more: by number, in the
    order of their labels. None where people know that one, or it has a name. ``others``: labels on other tracks."""
    first = number_of(track.speaker)
    taken_from = {stored.segment.taken_from for stored in segments}
    known = {*others, *await known_labels(store, track, segments, labels)}
    if first is None or track.speaker in known | {*labels.values()} or 0 in taken_from:
        return None
    behind = []
    for (of_track, number), label in labels.items():
        at = number_of(label)
        if of_track == track.id and at is not None and at > first and label not in known and number not in taken_from:
            behind.append((at, number))
    return [number for _, number in sorted(behind)]


def numbers_by_label(track: Track, labels: Mapping[tuple[str, int], str]) -> dict[str, list[int]]:
    """The numbers of the track's voices, in order: several, where people made them one."""
    found = {} if track.speaker is None else {track.speaker: [0]}
    for (of_track, number), label in sorted(labels.items()):
        if of_track == track.id:
            found.setdefault(label, []).append(number)
    return found
