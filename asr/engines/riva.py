"""NVIDIA Riva, which hears on another machine: a stream of gRPC for each utterance, in an event loop of its own thread.

The inference loop never waits for the network. ``step`` hands sound over and returns the words that came by now;
``final`` has the last of them when Riva has. A stream that fails or stalls is sent anew from its first sample, as often
as ``ATTEMPTS_MAX`` while Riva hears a silence meanwhile: then the utterance is given up, and nobody else notices. When
Riva hears no silence either, it is away (``asr.engines.riva_link``), and utterances wait for it, however long that
takes: what they wait with is bounded by the inference loop, which takes no more than two of a session.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
import grpc.aio
import structlog
from riva.client.proto import riva_asr_pb2

from asr.contract import EngineInfo, SessionOptions, Step
from asr.engines.riva_link import RivaLink, begin, is_hidden
from asr.engines.riva_words import HeardWords, streaming_config
from asr.worker_settings import WorkerSettings
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word

log = structlog.get_logger(__name__)

BATCH_MAX = 64  # a step only hands over
_T = TypeVar("_T")

ATTEMPTS_MAX = 3  # of an utterance, while others are heard
FULL_ATTEMPTS_MAX = 20  # when Riva has no room for it, but for a silence: some 80 s
AGAIN_FIRST_S, AGAIN_MAX_S = 0.2, 5.0  # before the second attempt; twice as long before each later one
_PIECE_BYTES = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE // 2  # of a message, at most: half a second
_SHUT_DOWN_S = 5.0
_ATTEMPTS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: FULL_ATTEMPTS_MAX,
    # What was asked of it is at fault: the same again would be answered the same.
    **dict.fromkeys((grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.OUT_OF_RANGE), 1),
}


@dataclass(slots=True, eq=False)
class _Stream:
    """One utterance. The event loop owns it; others look at ``heard`` and ``final``, and ``told`` is theirs."""

    options: SessionOptions
    start_samples: int = 0
    sound: bytearray = field(default_factory=bytearray)  # all of it, for another attempt
    flushed: bool = False
    more: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    heard: tuple[Word, ...] = ()
    told: tuple[Word, ...] = ()  # the last that was asked for
    language: str | None = None
    final: Hypothesis | EngineFailed | None = None


class _Failed(Exception):
    """One attempt; internal. ``reason`` is ours, never what Riva said: it might hold words. ``is_hidden``: unknown."""

    def __init__(self, reason: str, attempts_max: int = ATTEMPTS_MAX, *, is_hidden: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts_max = attempts_max
        self.is_hidden = is_hidden


class RivaEngine:
    """A thread with an event loop, and a link to the server that ``settings`` name. ``shut_down`` ends both.

    Raises ``EngineFailed`` when it cannot even try. A server that is away is waited for (``away``).
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._streams: set[_Stream] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="riva", daemon=True)
        self._thread.start()
        try:
            self._link = asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        except BaseException:
            self._end_thread()
            raise

    async def _begin(self) -> RivaLink:
        link = RivaLink(self._settings)
        await link.is_there()  # away or not: the first words need not find out
        return link

    @property
    def info(self) -> EngineInfo:
        model = self._settings.riva_model or "riva"
        return EngineInfo(
            name="riva", model=model, languages=(), device="remote", note="NVIDIA Riva, on another machine"
        )

    @property
    def batch_max(self) -> int:
        return BATCH_MAX

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return {}

    @property
    def away(self) -> str:
        return self._link.away

    def open(self, options: SessionOptions) -> _Stream:
        return _Stream(options)

    def close(self, stream: _Stream) -> None:
        self._call(self._forget, stream)

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        self._call(
            self._take, [(step.stream, step.samples.tobytes(), step.start_samples, step.flush) for step in steps]
        )
        return [_so_far(step.stream) for step in steps]

    def news(self, stream: _Stream) -> Hypothesis | None:
        return None if stream.heard is stream.told else _so_far(stream)

    def final(self, stream: _Stream) -> Hypothesis | EngineFailed | None:
        return stream.final

    def shut_down(self) -> None:
        if not self._thread.is_alive():
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_SHUT_DOWN_S)
        self._end_thread()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SHUT_DOWN_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _call(self, function: Callable[[_T], None], argument: _T) -> None:
        with contextlib.suppress(RuntimeError):  # it is shut down
            self._loop.call_soon_threadsafe(function, argument)

    # All below runs in the event loop.

    async def _end(self) -> None:
        tasks = [stream.task for stream in self._streams if stream.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._link.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # gRPC's own, which hold on to its thread
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _take(self, steps: Sequence[tuple[_Stream, bytes, int, bool]]) -> None:
        for stream, sound, start_samples, flush in steps:
            if stream.task is None:
                stream.start_samples = start_samples
                stream.task = asyncio.create_task(self._hear(stream), name="riva stream")
                self._streams.add(stream)
            stream.sound += sound
            stream.flushed = stream.flushed or flush
            stream.more.set()

    def _forget(self, stream: _Stream) -> None:
        self._streams.discard(stream)
        if stream.task is not None:
            stream.task.cancel()

    async def _hear(self, stream: _Stream) -> None:
        """Until the final is there, or there will be none."""
        try:
            stream.final = await self._heard(stream)
        except EngineFailed as error:
            stream.final = error
        except Exception as error:
            log.exception("a stream of riva failed")
            stream.final = EngineFailed(f"the recogniser failed: {type(error).__name__}")
        stream.sound.clear()

    async def _heard(self, stream: _Stream) -> Hypothesis:
        attempt, carefully = 1, False
        while True:
            await self._link.back()
            try:
                return await _Attempt(self._link, self._settings, stream, carefully=carefully).run()
            except _Failed as failure:
                carefully = carefully or failure.is_hidden
                if not await self._link.is_there():
                    attempt = 1  # nobody is heard now: it is not this one's fault
                    continue
                log.warning("a stream of riva failed", reason=failure.reason, attempt=attempt)
                if attempt >= failure.attempts_max:
                    raise EngineFailed(f"Riva did not hear it: {failure.reason}") from failure
                await asyncio.sleep(min(AGAIN_MAX_S, AGAIN_FIRST_S * 2 ** (attempt - 1)))
                attempt += 1


def _so_far(stream: _Stream) -> Hypothesis:
    stream.told = stream.heard
    return Hypothesis(tentative=stream.told, language=stream.language)


class _Attempt:
    """One stream of gRPC for all sound of an utterance, from its first sample. Raises ``_Failed``."""

    def __init__(self, link: RivaLink, settings: WorkerSettings, stream: _Stream, *, carefully: bool) -> None:
        self._stream = stream
        self._carefully = carefully
        self._deadline_s = settings.riva_deadline_s
        self._words = HeardWords(stream.start_samples)
        self._sent_bytes = 0
        self._all_sent = False
        self._limit = asyncio.timeout(None)
        self._config = streaming_config(stream.options, settings, link.languages)
        self._call = link.stub.StreamingRecognize(metadata=link.metadata)

    async def run(self) -> Hypothesis:
        sending = asyncio.create_task(self._send(), name="riva send")
        try:
            async with self._limit:
                await self._receive()
        except TimeoutError:
            raise _Failed("it stalled") from None
        except grpc.aio.AioRpcError as error:
            attempts_max = _ATTEMPTS.get(error.code(), ATTEMPTS_MAX)
            raise _Failed(error.code().name, attempts_max, is_hidden=is_hidden(error)) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # we were closed
            raise _Failed("its connection was closed") from None  # by the link, which made another
        finally:
            sending.cancel()
            self._call.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if not self._all_sent:
            raise _Failed("it ended before the utterance did")
        return Hypothesis(committed=self._words.words, language=self._words.language, tags=self._words.tags)

    async def _receive(self) -> None:
        stream = self._stream
        while (response := await self._call.read()) is not grpc.aio.EOF:
            if self._all_sent:
                self._reschedule()
            self._words.take(response, self._sent_bytes // BYTES_PER_SAMPLE)
            words = self._words.words
            # One that begins anew takes nothing back of what was shown until it is as far.
            if not stream.heard or (words and words[-1].end_samples >= stream.heard[-1].end_samples):
                stream.heard, stream.language = words, self._words.language

    async def _send(self) -> None:
        """What there is, and what comes, until the utterance ends. That Riva takes it has a deadline of its own."""
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):  # reading says why
            self._reschedule()
            await begin(self._call, self._config, carefully=self._carefully)
            stream = self._stream
            while not self._all_sent:
                piece = bytes(stream.sound[self._sent_bytes : self._sent_bytes + _PIECE_BYTES])
                if piece:
                    await self._write(riva_asr_pb2.StreamingRecognizeRequest(audio_content=piece))
                    self._sent_bytes += len(piece)
                elif stream.flushed:
                    self._all_sent = True
                    self._reschedule()
                    await self._call.done_writing()
                else:
                    stream.more.clear()
                    await stream.more.wait()

    async def _write(self, request: riva_asr_pb2.StreamingRecognizeRequest) -> None:
        self._reschedule()
        await self._call.write(request)
        self._limit.reschedule(None)

    def _reschedule(self) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time() + self._deadline_s)
