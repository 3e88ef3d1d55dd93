"""Webhooks: what happens in a project is told to its host's addresses, at least once.

Everything waits in the store, so that a restart only delays it. What happens is noted there in the transaction in which
it happens (``server/store/webhooks.py``); the body is made once, right afterwards, and never again. A node claims what
it sends with a lease: if it dies, another sends it when the lease is over.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import structlog

from protocol import ids
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EarshotError, NotFound, Overloaded, StoreUnavailable
from protocol.states import DeliveryState
from server.export_formats import ExportFormat
from server.exports import export
from server.metrics import Metrics
from server.rounds import repeat
from server.segment_pages import segment_pages
from server.settings import Settings
from server.store.project_records import Project
from server.store.records import Transcript
from server.store.store import Store
from server.store.webhook_records import Claimed, HookEvent, Outcome, Prepared, Webhook
from server.webhooks.payloads import TEST, WITH_TRANSCRIPT, body_of, conversation_data
from server.webhooks.schedule import TRIED_FOR_S, again_at
from server.webhooks.sender import Attempt, Sender
from server.webhooks.signing import headers_of

log = structlog.get_logger(__name__)

AT_ONCE = 16  # webhooks that are told something now; of one webhook, one delivery at a time on a node
BODIES_AT_ONCE = 16
LOOK_S = 5.0
CLEAR_S = 60.0
LEASE_BESIDE_S = 30.0  # beyond the deadline of an attempt: for the store, and clocks that differ
GOODBYE_S = 2.0
DAY_S = 86400.0

Health = Literal["off", "unknown", "ok", "retrying", "failing"]


class Webhooks:
    """``clock`` gives epoch seconds, ``jitter`` numbers evenly from 0 to 1."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        metrics: Metrics,
        *,
        sender: Sender | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._store = store
        self._hooks = store.webhooks
        self._metrics = metrics
        self._sender = sender or Sender(private=settings.webhooks_private, deadline_s=settings.webhook_deadline_s)
        self._clock = clock
        self._jitter = jitter
        self._lease = secrets.token_hex(16)
        self._busy: dict[str, asyncio.Task[None]] = {}  # by webhook
        self._tested: set[str] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._cleared_s: float | None = None
        self.waiting_count = 0  # deliveries that wait, as of the last time they were counted

    def start(self) -> None:
        rounds = repeat(self.round, every_s=LOOK_S, name="webhooks", woken=self._woken)
        self._task = asyncio.create_task(rounds, name="webhooks")

    async def stop(self) -> None:
        """What is not sent yet is sent at the next start, or by another node."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if sending := list(self._busy.values()):
            await asyncio.wait(sending, timeout=GOODBYE_S)
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
        try:
            await self._hooks.release(self._lease)
        except EarshotError as error:
            log.warning("deliveries wait until their lease is over", code=error.code)
        await self._sender.close()

    def wake(self) -> None:
        """Something was noted in the store."""
        self._woken.set()

    # What happens.

    async def announce(self, project_id: str, event: str, data: Mapping[str, Any]) -> int:
        """Something happened in a project: it is stored for each webhook that wants to know, and sent soon. How many
        there are. ``data``: what the body has besides the event, its id, its time and the project, such as
        ``{"report": {...}}``.

        Raises ``NotFound`` for a project that there is not, ``TooLarge`` above ``payloads.BODY_MAX_BYTES``.
        """
        prepared = await self.prepared(await self._store.projects.get(project_id), event, data)
        count = 0
        if prepared is not None:
            count = await self._hooks.note(project_id, event, body=prepared.body, event_id=prepared.event_id)
            self.wake()
        return count

    async def prepared(self, project: Project, event: str, data: Mapping[str, Any]) -> Prepared | None:
        """What is told of something, to be noted in the transaction in which it happens; None where nobody wants to
        know. Raises ``TooLarge``."""
        if not await self._hooks.is_wanted(project.id, event):
            return None
        event_id = ids.new_hook_event_id()
        body = await asyncio.to_thread(
            body_of, event, event_id=event_id, at=self._clock(), project=project, data=data, link=self._link("")
        )
        return Prepared(event, event_id, body)

    async def test(self, webhook: Webhook) -> Attempt:
        """Send it something now, once, whatever its status; neither kept nor tried again.

        Raises ``Overloaded`` while it is tested already, or many are.
        """
        if webhook.id in self._tested or len(self._tested) >= AT_ONCE:
            raise Overloaded("webhooks are being tested; try again", retry_after_s=self._settings.webhook_deadline_s)
        self._tested.add(webhook.id)
        try:
            project = await self._store.projects.get(webhook.project_id)
            event_id, now = ids.new_hook_event_id(), self._clock()
            body = body_of(
                TEST,
                event_id=event_id,
                at=now,
                project=project,
                data={"webhook": {"id": webhook.id, "name": webhook.name}},
            )
            headers = headers_of(
                webhook.secret,
                body,
                at_s=int(now),
                event=TEST,
                event_id=event_id,
                delivery_id=ids.new_delivery_id(),
                attempt=1,
            )
            return await self._sender.post(webhook.url, body, headers)
        finally:
            self._tested.discard(webhook.id)

    def health_of(self, webhook: Webhook) -> Health:
        """``retrying``: the last attempt failed; ``failing``: so did all for days."""
        if webhook.status != "published":
            return "off"
        if webhook.tried_at is None:
            return "unknown"
        if webhook.failing_since is None:
            return "ok"
        is_long = self._clock() - webhook.failing_since >= self._settings.webhook_failing_days * DAY_S
        return "failing" if is_long else "retrying"

    # Sending.

    async def round(self) -> None:
        """Make the bodies that are to be made, begin to send what is due, and clear away what is old."""
        await self._make_bodies()
        while free := AT_ONCE - len(self._busy):
            claimed = await self._hooks.claim(
                self._lease,
                now=self._clock(),
                lease_s=self._settings.webhook_deadline_s + LEASE_BESIDE_S,
                without=tuple(self._busy),
                limit=free,
            )
            if not claimed:
                break
            for each in claimed:
                task = asyncio.create_task(self._send(each), name=f"webhook {each.webhook.id}")
                self._busy[each.webhook.id] = task
                task.add_done_callback(partial(self._done, each.webhook.id))
        if self._cleared_s is None or time.monotonic() - self._cleared_s >= CLEAR_S:
            await self.clear()

    async def clear(self) -> None:
        """Give up what was tried for a day, and forget what is older than anybody would look at."""
        now = self._clock()
        self.waiting_count = await self._hooks.clear(
            created_before=now - TRIED_FOR_S - CLEAR_S,  # the last attempt may be under way
            ended_before=now - self._settings.webhook_deliveries_days * DAY_S,
            kept_max=self._settings.webhook_deliveries_max,
        )
        self._cleared_s = time.monotonic()

    async def sent(self) -> None:
        """Return when nothing is under way."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))
            await asyncio.sleep(0)  # for what is done to be taken off the list

    def _done(self, webhook_id: str, _task: asyncio.Task[None]) -> None:
        self._busy.pop(webhook_id, None)
        self._woken.set()

    async def _send(self, claimed: Claimed) -> None:
        delivery, webhook = claimed.delivery, claimed.webhook
        headers = headers_of(
            webhook.secret,
            claimed.body,
            at_s=int(self._clock()),
            event=delivery.event,
            event_id=delivery.event_id,
            delivery_id=delivery.id,
            attempt=delivery.attempts,
        )
        attempt = await self._sender.post(webhook.url, claimed.body, headers)
        now = self._clock()
        again = None
        if attempt.outcome is not Outcome.OK and attempt.outcome is not Outcome.GONE:
            again = again_at(
                now,
                attempts=delivery.attempts,
                created_at=delivery.created_at,
                jitter=self._jitter(),
                retry_after_s=attempt.retry_after_s,
            )
        self._metrics.webhook_told(attempt.outcome.value, attempt.took_ms / 1000)
        fields = {"webhook": webhook.id, "delivery": delivery.id, "outcome": attempt.outcome.value}
        try:
            state = await self._hooks.settle(
                claimed,
                self._lease,
                now=now,
                outcome=attempt.outcome,
                status_code=attempt.status_code,
                took_ms=attempt.took_ms,
                again_at=again,
            )
        except EarshotError as error:
            # It is sent once more when the lease is over.
            log.warning("how a webhook was told is not kept", code=error.code, **fields)
            return
        if state is DeliveryState.FAILED:
            log.warning("a webhook was not told", status=attempt.status_code, **fields)
        elif state is DeliveryState.WAITING:
            log.info("a webhook will be told again", status=attempt.status_code, attempts=delivery.attempts, **fields)

    # Bodies.

    async def _make_bodies(self) -> None:
        while events := await self._hooks.bodiless(limit=BODIES_AT_ONCE):
            for event in events:
                try:
                    body = await self._body(event)
                except StoreUnavailable:
                    raise
                except Exception:
                    log.exception("an event cannot be told", event_id=event.id)  # it must not hold up all others
                    body = None
                await self._hooks.set_body(event.id, body)

    async def _body(self, event: HookEvent) -> bytes | None:
        """None: what it tells of is gone."""
        if event.transcript_id is None:
            return None
        try:
            conversation = await self._store.conversations.get(event.transcript_id)
            transcript = await self._store.get_transcript(event.transcript_id)
            project = await self._store.projects.get(event.project_id)
        except NotFound:
            return None
        text = await self._said(transcript) if event.event in WITH_TRANSCRIPT else ""
        link = self._link(f"/t/{conversation.id}")

        def made() -> bytes:
            data = conversation_data(event.event, conversation, transcript, project, text=text)
            return body_of(event.event, event_id=event.id, at=event.created_at, project=project, data=data, link=link)

        return await asyncio.to_thread(made)

    async def _said(self, transcript: Transcript) -> str:
        tracks = await self._store.tracks_of(transcript.id)
        began_at = min((track.started_at for track in tracks), default=0.0)
        offsets = {track.id: round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in tracks}
        pages = segment_pages(self._store, transcript.id)
        segments = [stored.segment async for page in pages for stored in page]
        return await asyncio.to_thread(
            export,
            segments,
            ExportFormat.TXT,
            name=transcript.shown_title,
            duration_samples=transcript.duration_samples,
            track_offsets=offsets,
        )

    def _link(self, path: str) -> str | None:
        return self._settings.public_url.rstrip("/") + path if self._settings.public_url else None
