"""The encoder of voices, loaded beside the inference loop once somebody wants it: words do not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from asr.speakers.contract import SpeakerEncoder
from asr.speakers.segmentation import SpeakerSegmentation
from protocol.errors import EarshotError

log = structlog.get_logger(__name__)


class EncoderLoading:
    """``load`` runs in a thread, or in ``begin`` itself where there is none; the encoder is the loop's after that.

    ``load_segmentation``: of what says where voices change, which is done without when it cannot be used.
    """

    def __init__(
        self,
        load: Callable[[], SpeakerEncoder],
        *,
        in_thread: bool = True,
        load_segmentation: Callable[[], SpeakerSegmentation] | None = None,
    ) -> None:
        self._load = load
        self._load_segmentation = load_segmentation
        self.in_thread = in_thread
        self._over = threading.Event()
        self.begun = False
        self.encoder: SpeakerEncoder | None = None
        self.segmentation: SpeakerSegmentation | None = None
        self.failure = ""
        self.no_segmentation = ""  # why there is none, though it was to be loaded

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def with_segmentation(self, load: Callable[[], SpeakerSegmentation]) -> EncoderLoading:
        return EncoderLoading(self._load, in_thread=self.in_thread, load_segmentation=load)

    def begin(self) -> None:
        self.begun = True
        if self.in_thread:
            threading.Thread(target=self._run, name="voice encoder", daemon=True).start()
        else:
            self._run()

    def wait(self, timeout_s: float) -> None:
        self._over.wait(timeout_s)

    def _run(self) -> None:
        try:
            self.encoder = self._load()
        except Exception as error:
            reason = _reason(error)
            log.error("the encoder of voices cannot be used", reason=reason)
            self.failure = f"the encoder of voices cannot be used: {reason}"
        if self.encoder is not None and self._load_segmentation is not None:
            try:
                self.segmentation = self._load_segmentation()
            except Exception as error:
                reason = _reason(error)
                log.error("changes of voices are not looked for", reason=reason)
                self.no_segmentation = f"what says where voices change cannot be used: {reason}"
        self._over.set()


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, EarshotError) else type(error).__name__
