"""What Whisper's decoder is told before it speaks, and the few lengths that its calls have.

CTranslate2 decodes rows together only when they have one encoder length and one prompt length. Both are chosen from
fixed steps by the row alone: so no row's words depend on which rows it happened to be heard with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

FRAMES_MAX = 3000  # 10 ms each
FRAMES_PER_S = 100
# The encoder was trained on 30 s. A shorter one needs some silence behind the sound, or the decoder finds no end.
MARGIN_FRAMES = 256
ENCODER_FRAMES = (400, 600, 800, 1000, 1250, 1500, 1750, 2000, 2300, 2650, FRAMES_MAX)

POSITIONS = 448  # of the decoder
PREVIOUS_MAX = POSITIONS // 2 - 1  # what Whisper's authors keep of previous text
BEFORE_TOKENS = (64, 24, 8, 0)  # how much of the committed text is told: as much as there is, in few lengths
_TASK_TOKENS_MAX = 5  # <|startofprev|> and <|startoftranscript|> with language, task and <|notimestamps|>
NEW_TOKENS_MAX = POSITIONS - PREVIOUS_MAX - _TASK_TOKENS_MAX

_TOKENS_LEAST = 16
_TOKENS_PER_S = 8  # fast speech has about 5; more is a decoder that cannot stop
_TOKENS_PER_S_DENSE = 24  # scripts of which the vocabulary has but letters, or parts of them
_SPELLED_IN_WORDS = (
    "af az bs ca cs cy da de en es et eu fi fo fr gl ha haw hr ht hu id is it jw la lb ln lt lv mg mi ms mt nl nn no "
    "oc pl pt ro sk sl sn so sq su sv sw tk tl tr uz vi yo"
)  # languages


def encoder_frames(frames: int, *, mels: int, short: bool) -> int:
    """How long the encoder is for a sound of so many frames; ``short``: as short as the margin lets it be.

    Never a length that encodes to as many positions as there are mels: CTranslate2 takes such an encoder output for
    features and encodes it again, without a word.
    """
    if not short:
        return FRAMES_MAX
    lengths = (length for length in ENCODER_FRAMES if length >= frames + MARGIN_FRAMES and (length + 1) // 2 != mels)
    return next(lengths, FRAMES_MAX)


def tokens_max(frames: int, language: str | None) -> int:
    """The most tokens that can have been said in so many frames. ``language`` None: whichever takes most."""
    per_s = _TOKENS_PER_S if language in _SPELLED_IN_WORDS.split() else _TOKENS_PER_S_DENSE
    return min(NEW_TOKENS_MAX, _TOKENS_LEAST + per_s * frames // FRAMES_PER_S)


def max_length(prompt_tokens: int, new_tokens: int) -> int:
    """What to ask CTranslate2 for so that there is room for so many new tokens: it gives but half of it to them."""
    return min(POSITIONS, max(2 * new_tokens, prompt_tokens + new_tokens - 1))


class Prompts:
    """Makes prompts for one model. ``hf_tokenizer``: as faster-whisper loads it."""

    def __init__(self, hf_tokenizer: Any, multilingual: bool) -> None:
        self._hf_tokenizer = hf_tokenizer
        self._multilingual = multilingual
        self._tokenizers: dict[str, Any] = {}  # by language, of which there are a hundred

    def tokenizer(self, language: str) -> Any:
        """faster-whisper's tokenizer for the language; its words are split as that language is written."""
        if language not in self._tokenizers:
            from faster_whisper.tokenizer import Tokenizer

            task = "transcribe" if self._multilingual else None
            self._tokenizers[language] = Tokenizer(self._hf_tokenizer, self._multilingual, task, language)
        return self._tokenizers[language]

    def knows(self, language: str) -> bool:
        if not self._multilingual:
            return language == "en"
        try:
            return self.tokenizer(language).language is not None
        except ValueError:
            return False

    def start(self, language: str) -> list[int]:
        """The start sequence, without previous text."""
        return list(self.tokenizer(language).sot_sequence)

    def previous(self, hotwords: Sequence[str], before: str) -> list[int]:
        """Hotwords, all of them if they fit in ``PREVIOUS_MAX``, and the end of the text before in a length of few."""
        plain = self._any
        wanted = " ".join(hotwords).strip()
        told = plain.encode(" " + wanted)[: PREVIOUS_MAX - 1] if wanted else []
        text = plain.encode(" " + before.strip()) if before.strip() else []
        room = min(len(text), PREVIOUS_MAX - 1 - len(told))
        count = next(length for length in BEFORE_TOKENS if length <= room)
        told = [*told, *text[len(text) - count :]]
        return [plain.sot_prev, *told] if told else []

    def prompt(self, previous: Sequence[int], language: str) -> list[int]:
        """The whole prompt. Raises ``ValueError`` for one that would end the process or be refused."""
        prompt = [*previous, *self.start(language), self._any.no_timestamps]
        if len(prompt) > PREVIOUS_MAX + _TASK_TOKENS_MAX:
            raise ValueError(f"a prompt of {len(prompt)} tokens")
        if not all(isinstance(token, int) and 0 <= token < self._vocabulary for token in prompt):
            raise ValueError("a prompt with a token that is not in the vocabulary")
        return prompt

    @cached_property
    def suppressed(self) -> list[int]:
        """Tokens never to be said: brackets and notes of other than speech, and those that steer the decoder."""
        from faster_whisper.transcribe import get_suppressed_tokens

        return list(get_suppressed_tokens(self._any, [-1]) or ())

    @property
    def _any(self) -> Any:
        return self.tokenizer("en")

    @cached_property
    def _vocabulary(self) -> int:
        return int(self._hf_tokenizer.get_vocab_size())
