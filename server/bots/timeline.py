"""Who spoke when in a meeting: as the bot was told it, else as their sound has it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.recall_documents import Spoken

PAUSE_S = 1.0  # who goes on within this has not stopped
UNKNOWN_ID = 0  # of whoever speaks in the sound of a whole room, where nobody says who


def participants_of(
    acted: Iterable[ParticipantActed], heard: Iterable[MeetingParticipant], told: Iterable[MeetingParticipant] = ()
) -> dict[int, MeetingParticipant]:
    """Everybody, as they were told of last, in the order in which they came; then those that were only ``heard``, by
    the names that they have; then those that were only shown. ``told``: what was told of each last, by whatever."""
    found: dict[int, MeetingParticipant] = {}
    for each in acted:
        before, now = found.get(each.participant.id), each.participant
        found[now.id] = now if before is None else newer(before, now)
    only_shown: dict[int, MeetingParticipant] = {}
    only_heard = {other.id: other for other in heard if other.id not in found}
    for newest in told:
        if newest.id in found:
            found[newest.id] = newer(found[newest.id], newest)
        elif newest.id in only_heard:
            only_heard[newest.id] = newer(newest, only_heard[newest.id])
        else:
            only_shown[newest.id] = newest
    return found | only_heard | only_shown


def newer(before: MeetingParticipant, now: MeetingParticipant) -> MeetingParticipant:
    """What is not told again stays."""
    return before.model_copy(update={name: value for name, value in now if value is not None})


def speaking_times(
    acted: Sequence[ParticipantActed],
    spoken: Iterable[Spoken],
    participants: dict[int, MeetingParticipant],
    *,
    end_s: float,
) -> list[Spoken]:
    """Stretches in which somebody spoke, by their beginning. ``acted`` in order of time; ``spoken``: what was heard of
    each; ``end_s``: of the recording, which ends what nobody else ended."""
    told = _told_times(acted, participants, end_s)
    heard: defaultdict[int, list[Spoken]] = defaultdict(list)
    for each in sorted(spoken, key=lambda each: each.start_s):
        stretches = heard[each.participant.id]
        if each.participant.id in told:
            continue
        if stretches and each.start_s - stretches[-1].end_s < PAUSE_S:
            end = max(stretches[-1].end_s, each.end_s)
            stretches[-1] = Spoken(stretches[-1].participant, stretches[-1].start_s, end)
        else:
            who = participants.get(each.participant.id, each.participant)
            stretches.append(Spoken(who, each.start_s, each.end_s))
    all_of = [each for stretches in (*told.values(), *heard.values()) for each in stretches]
    return sorted(all_of, key=lambda each: (each.start_s, each.participant.id))


def _told_times(
    acted: Sequence[ParticipantActed], participants: dict[int, MeetingParticipant], end_s: float
) -> dict[int, list[Spoken]]:
    """Of those of whom the bot was ever told that they speak."""
    told: dict[int, list[Spoken]] = {}
    began: dict[int, float] = {}
    for each in acted:
        id_ = each.participant.id
        if each.action is ParticipantAction.SPEECH_ON:
            told.setdefault(id_, [])
            began.setdefault(id_, each.relative_s)
        elif each.action in (ParticipantAction.SPEECH_OFF, ParticipantAction.LEAVE) and id_ in began:
            told[id_].append(Spoken(participants[id_], began.pop(id_), each.relative_s))
    for id_, start_s in began.items():
        told[id_].append(Spoken(participants[id_], start_s, max(start_s, end_s)))
    return told


def said_by(start_s: float, end_s: float, times: Iterable[Spoken]) -> MeetingParticipant | None:
    """Who spoke most of the time from ``start_s`` to ``end_s``; for the sound of a whole room."""
    shares: defaultdict[int, float] = defaultdict(float)
    who: dict[int, MeetingParticipant] = {}
    for each in times:
        shared_s = min(end_s, each.end_s) - max(start_s, each.start_s)
        if shared_s > 0:
            shares[each.participant.id] += shared_s
            who[each.participant.id] = each.participant
    return who[max(shares, key=lambda id_: (shares[id_], -id_))] if shares else None
