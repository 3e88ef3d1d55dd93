"""The commit policy of the whisper_streaming package (Macháček et al. 2023), the reference for LocalAgreement-2.

It compares texts as they are, so a comma or a capital that comes or goes holds a word back, and it knows committed
words by their times alone. Only the words of this package are used: its threads, microphone and files are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from asr.agreement import Agreement
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Word

try:
    from whisper_streaming import Word as TheirWord
    from whisper_streaming.processor import TranscriptionBuffer
except ImportError as error:
    raise EngineFailed(
        "the commit policy whisper-streaming needs packages that are not here: "
        "pip install --no-deps whisper-streaming==0.1.0 opus-fast-mosestokenizer"
    ) from error


class WhisperStreamingPolicy:
    """A ``CommitPolicy``."""

    def __init__(self) -> None:
        self._buffer = TranscriptionBuffer(TranscriptionBuffer.Config())
        self._end_s = 0.0  # where the committed words end, as the buffer was told

    def take(self, committed: Sequence[Word], words: Sequence[Word], from_samples: int) -> Agreement:
        # The committed words may have better times by now than those that the buffer was told; it goes on from its own.
        shift_s = self._end_s - committed[-1].end_samples / SAMPLE_RATE_HZ if committed else 0.0
        told = []
        start_s = float("-inf")
        for word in words:  # it drops words by their starts: only in order of time are those the first ones
            start_s = max(start_s, word.start_samples / SAMPLE_RATE_HZ + shift_s)
            told.append(TheirWord(start_s, max(start_s, word.end_samples / SAMPLE_RATE_HZ + shift_s), word.text))
        agreed = self._buffer.insert(told)
        if agreed:
            self._end_s = agreed[-1].end
        return Agreement(len(words) - len(agreed) - len(self._buffer.transcriptions_in_limbo), len(agreed))
