"""The calls of the encoder of voices: of windows of any sessions at once, in the loop's thread or beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from asr import wire
from asr.aside import Aside, Then
from asr.contract import Samples
from asr.encoder_loading import EncoderLoading
from asr.listening import ListeningSession
from asr.speakers.contract import Embeddings, SpeechWindow
from asr.voiced_session import VoicedSession

BATCH_MAX = 8  # windows of the embedded encoder: 18 ms of one core; each says how many of its own


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    one: VoicedSession
    window: SpeechWindow
    sound: Samples


class VoiceEncoding:
    """``loading`` None: there is no encoder, and nothing is called."""

    def __init__(self, loading: EncoderLoading | None, tell: Callable[[BaseModel], None], aside: Aside) -> None:
        self._loading = loading
        self._tell = tell
        self._aside = aside
        self.windows = 0
        self.seconds = 0.0

    @property
    def batch_max(self) -> int:
        encoder = self._loading.encoder if self._loading is not None else None
        return min(BATCH_MAX, encoder.info.batch_windows) if encoder is not None else BATCH_MAX

    def rows(self, windows: Sequence[Window]) -> Embeddings:
        """Raises whatever the encoder does, and ``ValueError`` for what are no embeddings."""
        self.tell_working([window.one.session for window in windows])
        return self._call(windows)()

    def rows_beside(self, windows: Sequence[Window], then: Then) -> None:
        self._aside.begin([window.one.session for window in windows], self._call(windows), then)

    def _call(self, windows: Sequence[Window]) -> Callable[[], Embeddings]:
        assert self._loading is not None
        assert self._loading.encoder is not None
        encoder, sounds = self._loading.encoder, [window.sound for window in windows]

        def call() -> Embeddings:
            rows = encoder.embed(sounds)
            if rows.shape != (len(sounds), encoder.info.dim):
                raise ValueError("as many embeddings as windows are wanted")
            if not np.isfinite(rows).all():
                raise ValueError("an embedding is no number")
            return rows

        return call

    def ran(self, size: int, waited_s: float, took_s: float) -> None:
        self.windows += size
        self.seconds += took_s
        self._tell(
            wire.Ran(
                kind="voices",
                size=size,
                batch_max=self.batch_max,
                wait_ms=round(1000 * waited_s, 3),
                run_ms=round(1000 * took_s, 3),
            )
        )

    def tell_working(self, sessions: Iterable[ListeningSession], *, changes: bool = False) -> None:
        those = dict.fromkeys((session.session_id, session.generation) for session in sessions)
        self._tell(wire.Working(sessions=(), voices=tuple(those), changes=changes and bool(those)))
