"""Who two speakers are once people made them one, and who they are when that is undone."""

from __future__ import annotations

from dataclasses import replace

from protocol.errors import Conflict
from server.store.merges import Merge
from server.store.participants import Changes
from server.store.records import Participant


async def join(
    changes: Changes, speaker_from: str, speaker_to: str, staying_id: str | None
) -> tuple[Participant | None, str | None]:
    """Who the second speaker is now, and the id of who stayed where both were somebody. An account or address that the
    other alone had goes along. Raises ``Conflict`` where ``staying_id`` is neither of two."""
    first, second = changes.of_speaker(speaker_from), changes.of_speaker(speaker_to)
    stays: str | None = None
    if first is not None and second is not None:
        if staying_id not in (first.id, second.id):
            details = {"participants": [first.id, second.id]}
            raise Conflict("Both speakers are assigned to participants", details=details)
        stays = staying_id
        kept, gone = (first, second) if stays == first.id else (second, first)
        await changes.remove(gone.id)
        kept = await changes.change(kept.id, email=kept.email or gone.email, user_id=kept.user_id or gone.user_id)
        first, second = (kept, None) if stays == first.id else (None, kept)
    if first is not None:
        second = await changes.change(first.id, speaker=speaker_to)
    return second, stays


async def part(changes: Changes, merge: Merge, label: str) -> Participant | None:
    """Whoever was the first is so again, now under ``label``, as far as nobody changed that since; who that is."""
    if merge.first is not None and merge.stays in (None, merge.first.id):
        moved = _now(changes, merge.first)
        if moved is not None and moved.speaker == merge.speaker_to:
            await changes.change(moved.id, speaker=label)
    if merge.first is not None and merge.second is not None:
        first_stays = merge.stays == merge.first.id
        kept, gone = (merge.first, merge.second) if first_stays else (merge.second, merge.first)
        await _take_back(changes, kept, gone)
        whose = merge.speaker_to if first_stays else label
        if changes.of_speaker(whose) is None and _now(changes, gone) is None:
            await changes.put_back(replace(gone, speaker=whose))
    return changes.of_speaker(label)


async def _take_back(changes: Changes, kept: Participant, gone: Participant) -> None:
    """What the one got of the other when they were made one."""
    now = _now(changes, kept)
    if now is not None:
        email = kept.email if now.email == (kept.email or gone.email) else now.email
        user_id = kept.user_id if now.user_id == (kept.user_id or gone.user_id) else now.user_id
        await changes.change(now.id, email=email, user_id=user_id)


def _now(changes: Changes, before: Participant) -> Participant | None:
    return next((each for each in changes.all if each.id == before.id), None)
