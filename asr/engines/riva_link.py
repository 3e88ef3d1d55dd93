"""The connection to a Riva server, and whether there is anybody at its other end. All of it runs in one event loop.

Whoever fails asks ``is_there``: a silence that Riva hears shows that the fault was the stream's own; else it is away,
and everybody waits in ``back`` until a later silence is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import structlog
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from asr.contract import SessionOptions
from asr.engines.riva_words import served_languages, streaming_config
from asr.worker_settings import WorkerSettings
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

LOOK_DEADLINE_S = 5.0  # for half a second of silence
AGAIN_FIRST_S = 0.25
AGAIN_MAX_S = 5.0
REFUSED_WITHIN_S = 0.2
_HIDING = "Internal error from Core"  # grpc.aio's, of a message that could not be sent
_SILENCE = bytes(SAMPLE_RATE_HZ // 2 * BYTES_PER_SAMPLE)
_DETAILS_MAX_CHARS = 200
_OPTIONS = (
    # We try again ourselves, with the sound; and one that is away shall be found soon after it is back.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A channel that is made anew because nothing comes through the old one shall not take over its socket.
    ("grpc.use_local_subchannel_pool", 1),
)
_ASKED_WHY_TIMES = 5
_TROUBLES = {
    grpc.StatusCode.UNAVAILABLE: "cannot be reached",
    grpc.StatusCode.DEADLINE_EXCEEDED: "does not answer",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "takes no more streams",
    grpc.StatusCode.UNAUTHENTICATED: "does not know our token (riva_token)",
    grpc.StatusCode.PERMISSION_DENIED: "does not let us in (riva_token)",
    grpc.StatusCode.UNIMPLEMENTED: "is no server of Riva's speech recognition",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the server showed. ``trouble`` is empty when it hears."""

    trouble: str
    languages: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class RivaLink:
    """To be made in the loop that it runs in. Raises ``EngineFailed`` for a file of authorities that cannot be read."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._credentials = _credentials(settings)
        self.metadata = (("authorization", f"Bearer {settings.riva_token}"),) if settings.riva_token else ()
        self._channel = self._connected()
        self._looking: asyncio.Task[bool] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._closing: dict[asyncio.Task[None], grpc.aio.Channel] = {}
        self._back = asyncio.Event()
        self._back.set()
        self.away = ""
        self.languages: tuple[str, ...] = ()  # that it serves, as far as it said

    @property
    def stub(self) -> riva_asr_pb2_grpc.RivaSpeechRecognitionStub:
        return riva_asr_pb2_grpc.RivaSpeechRecognitionStub(self._channel)

    async def back(self) -> None:
        """Return when it is not away."""
        await self._back.wait()

    async def is_there(self) -> bool:
        """Whether it hears. When not, it is away from now on, until it does. All who ask at once share one look."""
        if self._back.is_set():
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(), name="riva look")
            return await asyncio.shield(self._looking)
        return False

    async def close(self) -> None:
        channels = [self._channel, *self._closing.values()]
        tasks = [task for task in (self._looking, self._returning, *self._closing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for channel in channels:
            await channel.close()

    async def find(self) -> Found:
        """Look once, and change nothing."""
        answer = None
        try:
            async with asyncio.timeout(LOOK_DEADLINE_S):
                with contextlib.suppress(_Unimplemented):
                    answer = await self._models()
                languages = served_languages(answer, self._settings.riva_model) if answer else ()
                await self._try_a_stream(languages)
        except TimeoutError:
            return Found(f"does not answer within {LOOK_DEADLINE_S:g} s")
        except grpc.aio.AioRpcError as error:
            return Found(_trouble(error))
        names = tuple(config.model_name for config in answer.model_config) if answer else ()
        return Found("", languages, names)

    async def _look(self) -> bool:
        found = await self.find()
        if not found.trouble:
            self.languages = found.languages or self.languages
            return True
        self.away = f"Riva at {self._settings.riva_url} {found.trouble}"
        if self._back.is_set():
            log.warning("riva is away", trouble=found.trouble)
            self._back.clear()
            self._returning = asyncio.create_task(self._return(), name="riva return")
        return False

    async def _return(self) -> None:
        again_s = AGAIN_FIRST_S
        while True:
            await asyncio.sleep(again_s * random.uniform(0.8, 1.2))
            again_s = min(2 * again_s, AGAIN_MAX_S)
            # Nothing may come through a connection that nobody has told us is gone.
            old, self._channel = self._channel, self._connected()
            closing = asyncio.create_task(old.close(grace=self._settings.riva_deadline_s), name="riva close")
            self._closing[closing] = old
            closing.add_done_callback(lambda done: self._closing.pop(done, None))
            if await self._look():
                log.info("riva is back", languages=len(self.languages))
                self.away = ""
                self._back.set()
                return

    async def _models(self) -> riva_asr_pb2.RivaSpeechRecognitionConfigResponse:
        request = riva_asr_pb2.RivaSpeechRecognitionConfigRequest()
        try:
            return await self.stub.GetRivaSpeechRecognitionConfig(request, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise _Unimplemented from error
            raise

    async def _try_a_stream(self, languages: tuple[str, ...]) -> None:
        try:
            await self._hear(_SILENCE, languages)
        except grpc.aio.AioRpcError as error:
            if is_hidden(error):
                await self._tell_why(languages)
            raise

    async def _tell_why(self, languages: tuple[str, ...]) -> None:
        """A refusal that came while we were sending is seen when less is sent, sooner or later."""
        for _ in range(_ASKED_WHY_TIMES):
            try:
                await self._hear(b"", languages)
                return
            except grpc.aio.AioRpcError as error:
                if not is_hidden(error):
                    raise

    async def _hear(self, sound: bytes, languages: tuple[str, ...]) -> None:
        call = self.stub.StreamingRecognize(metadata=self.metadata)
        try:
            config = streaming_config(SessionOptions(interim=False), self._settings, languages)
            with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):  # reading says why
                await begin(call, config, carefully=True)
                if sound:
                    await call.write(riva_asr_pb2.StreamingRecognizeRequest(audio_content=sound))
                await call.done_writing()
            while await call.read() is not grpc.aio.EOF:
                pass
        finally:
            call.cancel()

    def _connected(self) -> grpc.aio.Channel:
        """A channel; it connects when it is used."""
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._settings.riva_url, options=_OPTIONS)
        return grpc.aio.secure_channel(self._settings.riva_url, self._credentials, options=_OPTIONS)


class _Unimplemented(Exception):
    """It does not list its models: whatever hears by Riva's protocol will do."""


def is_hidden(error: grpc.aio.AioRpcError) -> bool:
    """Whether gRPC puts an error of its own in the place of the server's, which ended the stream as we were sending."""
    return error.code() is grpc.StatusCode.INTERNAL and error.details() == _HIDING


async def begin(
    call: grpc.aio.StreamStreamCall, config: riva_asr_pb2.StreamingRecognitionConfig, *, carefully: bool
) -> None:
    """Ask for a stream. ``carefully``: leave time to refuse it before there is sound, so that the reason is seen."""
    await call.write(riva_asr_pb2.StreamingRecognizeRequest(streaming_config=config))
    if carefully:
        ending = asyncio.create_task(call.code(), name="riva refusal")
        await asyncio.wait({ending}, timeout=REFUSED_WITHIN_S)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


def find_riva(settings: WorkerSettings) -> Found:
    """Look at the server once, in a loop of its own; for ``earshot doctor``. Raises ``EngineFailed``, as the link."""

    async def look() -> Found:
        link = RivaLink(settings)
        try:
            return await link.find()
        finally:
            await link.close()

    return asyncio.run(look())


def _credentials(settings: WorkerSettings) -> grpc.ChannelCredentials | None:
    if not settings.riva_tls:
        return None
    try:
        authorities = Path(settings.riva_ca_file).read_bytes() if settings.riva_ca_file else None
    except OSError as error:
        raise EngineFailed(f"riva_ca_file cannot be read: {error.strerror}") from error
    return grpc.ssl_channel_credentials(root_certificates=authorities)


def _trouble(error: grpc.aio.AioRpcError) -> str:
    """What is the matter, of a look: what Riva says is then of silence, and may be told."""
    known = _TROUBLES.get(error.code())
    if known is not None:
        return known
    details = " ".join((error.details() or "").split())[:_DETAILS_MAX_CHARS]
    return f"answers {error.code().name}{f': {details}' if details else ''}"
