"""A server of Riva's published protocol, on the servicer that its client's package brings. How it hears is given.

It answers as Riva does: interims while sound comes, words that lie a while back as final in the middle of the stream,
the rest at its end; times in milliseconds since the stream began. It also fails, stalls and dies when it is told to.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc
import numpy as np
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from asr.contract import Samples
from asr.engines.scripted import hear
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.words import Word

Hear = Callable[[Samples], Sequence[Word]]  # the words of the sound of a stream, times from its first sample

FINAL_AFTER_SAMPLES = 800 * MS_SAMPLES  # words so far back are told as final
KNOWN_BY_SAMPLES = 400  # so much of a recording occurs once in it
STREAMS_MAX = 64
STALLED_MAX_S = 60.0


@dataclass(frozen=True)
class Fault:
    """What happens to a stream once it holds ``after_samples``: it ends with ``code``, or stalls when that is None.

    ``OK`` ends it as if it were over.
    """

    code: grpc.StatusCode | None
    after_samples: int = 1


@dataclass
class Asked:
    """One stream that was not of silence: how it was asked for, and its sound."""

    config: riva_asr_pb2.StreamingRecognitionConfig
    sound: bytearray = field(default_factory=bytearray)


def scripted(sound: Samples) -> Sequence[Word]:
    return hear(sound, 0)


def reciting(track: Samples, words: Sequence[Word]) -> Hear:
    """Knows what is said where in ``track``, and hears the words whose middle lies in what it gets of it."""
    whole, size = track.tobytes(), KNOWN_BY_SAMPLES * 2

    def recite(sound: Samples) -> Sequence[Word]:
        [loud] = np.nonzero(sound)
        first = int(loud[0]) if len(loud) else 0
        known_by = sound[first : first + KNOWN_BY_SAMPLES].tobytes()
        at = whole.find(known_by) if len(known_by) == size else -1
        if at < 0:
            return ()
        start = at // 2 - first
        return [
            word.model_copy(
                update={
                    "start_samples": max(0, word.start_samples - start),
                    "end_samples": min(len(sound), word.end_samples - start),
                }
            )
            for word in words
            if start <= (word.start_samples + word.end_samples) // 2 < start + len(sound)
        ]

    return recite


class RivaServer(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """``with RivaServer() as server``; ``stop`` and ``start`` as often as wanted, always on the same port.

    ``faults`` strike the next streams that hold more than silence, one each. ``refuses``: all that is asked is answered
    so. ``is_deaf``: nothing is answered. ``writes`` makes a transcript of words. ``tags``: whom it takes each word for,
    where it is asked to tell speakers apart.
    """

    def __init__(
        self,
        hear: Hear = scripted,
        *,
        languages: Sequence[str] = ("en-US",),
        token: str = "",
        tls: tuple[bytes, bytes] | None = None,
        writes: Callable[[str], str] = str,
    ) -> None:
        self._hear = hear
        self.languages = languages
        self._token = token
        self._tls = tls
        self._writes = writes
        self._server: grpc.Server | None = None
        self._counting = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self.port = 0
        self.faults: deque[Fault] = deque(maxlen=100)
        self.refuses: grpc.StatusCode | None = None
        self.is_deaf = False
        self.has_times = True
        self.tags: Callable[[str], int] = lambda _: 1
        self.lists_models = True
        self.asked: list[Asked] = []
        self.silences = 0
        self.full_times = 0  # so many streams with interims find no place
        self.refused = 0
        self.streams = 0  # that are open

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(STREAMS_MAX)
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(self, self._server)
        address = f"127.0.0.1:{self.port}"
        if self._tls is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, grpc.ssl_server_credentials([self._tls]))
        self._server.start()

    def stop(self) -> None:
        """At once: streams are cut off. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(None).wait()
            assert self._pool is not None
            self._pool.shutdown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # The protocol.

    def GetRivaSpeechRecognitionConfig(
        self, request: riva_asr_pb2.RivaSpeechRecognitionConfigRequest, context: grpc.ServicerContext
    ) -> riva_asr_pb2.RivaSpeechRecognitionConfigResponse:
        self._let_in(context)
        if not self.lists_models:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown method")
        answer = riva_asr_pb2.RivaSpeechRecognitionConfigResponse()
        for code in self.languages:
            parameters = {"language_code": code, "streaming": "True", "type": "online"}
            answer.model_config.add(model_name=f"conformer-{code}", parameters=parameters)
        answer.model_config.add(model_name="offline", parameters={"language_code": "xx-XX", "type": "offline"})
        return answer

    def StreamingRecognize(
        self, requests: Iterator[riva_asr_pb2.StreamingRecognizeRequest], context: grpc.ServicerContext
    ) -> Iterator[riva_asr_pb2.StreamingRecognizeResponse]:
        self._let_in(context)
        config = next(requests).streaming_config
        code = config.config.language_code
        if code not in self.languages and "multi" not in self.languages:
            self.refused += 1
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no model for {code}")
        if self.full_times and config.interim_results:
            self.full_times -= 1
            self.refused += 1
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "all places are taken")
        self._count(context)
        asked = Asked(config)
        fault: Fault | None = None
        done = 0  # words that are final
        for request in requests:
            was_silent = not any(asked.sound)
            asked.sound += request.audio_content
            if was_silent and any(asked.sound):
                fault = self.faults.popleft() if self.faults else None
                self.asked.append(asked)
            if fault is not None and len(asked.sound) // 2 >= fault.after_samples:
                if fault.code is grpc.StatusCode.OK:
                    return
                self._fail(context, fault.code)
            words = self._hear(np.frombuffer(bytes(asked.sound), "<i2"))
            now = sum(word.end_samples + FINAL_AFTER_SAMPLES <= len(asked.sound) // 2 for word in words)
            if now > done:
                yield self._answer(asked, words[done:now], is_final=True)
                done = now
            if config.interim_results and words[done:]:
                yield self._answer(asked, words[done:], is_final=False)
        self.silences += not any(asked.sound)
        rest = self._hear(np.frombuffer(bytes(asked.sound), "<i2"))[done:]
        if rest:
            yield self._answer(asked, rest, is_final=True)

    def _count(self, context: grpc.ServicerContext) -> None:
        with self._counting:
            self.streams += 1

        def over() -> None:
            with self._counting:
                self.streams -= 1

        context.add_callback(over)

    def _let_in(self, context: grpc.ServicerContext) -> None:
        if self.is_deaf:
            self._fail(context, None)
        if self.refuses is not None:
            context.abort(self.refuses, "as it was told")
        told = dict(context.invocation_metadata()).get("authorization", "")
        if self._token and told != f"Bearer {self._token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who is this?")

    def _fail(self, context: grpc.ServicerContext, code: grpc.StatusCode | None) -> None:
        if code is None:
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait(STALLED_MAX_S)
            code = grpc.StatusCode.ABORTED
        context.abort(code, "as it was told")

    def _answer(
        self, asked: Asked, words: Sequence[Word], *, is_final: bool
    ) -> riva_asr_pb2.StreamingRecognizeResponse:
        heard = riva_asr_pb2.SpeechRecognitionAlternative(
            transcript=self._writes(" ".join(word.text for word in words)), confidence=0.8 if is_final else 0.0
        )
        if "multi" in self.languages:
            heard.language_code.append("de-DE")
        if asked.config.config.enable_word_time_offsets and self.has_times:
            diarizes = asked.config.config.diarization_config.enable_speaker_diarization
            for word in words:
                heard.words.add(
                    speaker_tag=self.tags(word.text) if diarizes else 0,
                    word=word.text,
                    start_time=word.start_samples // MS_SAMPLES,
                    end_time=word.end_samples // MS_SAMPLES,
                    confidence=0.9 if is_final else 0.0,
                )
        result = riva_asr_pb2.StreamingRecognitionResult(
            alternatives=[heard],
            is_final=is_final,
            stability=0.0 if is_final else 0.5,
            audio_processed=len(asked.sound) / 2 / SAMPLE_RATE_HZ,
        )
        return riva_asr_pb2.StreamingRecognizeResponse(results=[result])
