"""Sound that is no longer in memory, from the recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import structlog

from asr.backlog import PIECE_SAMPLES, Missing
from protocol.blocks import Block, silence

log = structlog.get_logger(__name__)

ReadBack = Callable[[int, int], Iterator[Block]]

READ_BACK_ATTEMPTS = 6  # with the doubling delays after each 12.6 s; then this piece is heard as silence
READ_BACK_DELAY_S = 0.2


class Recording:
    """``read_back`` is called in a thread with (start, end)."""

    def __init__(self, read_back: ReadBack) -> None:
        self._read_back = read_back

    async def read(self, missing: Missing) -> Block:
        """Sound from the recording, with silence in its holes; silence when it cannot be read at all.

        For a lead nobody is kept waiting.
        """
        for attempt in range(1 if missing.is_lead else READ_BACK_ATTEMPTS):
            try:
                piece = await asyncio.to_thread(_gather, self._read_back, missing)
            except Exception as error:
                log.warning("sound not read back", attempt=attempt, error=type(error).__name__)
                piece = None
            if piece is not None:
                return piece
            if not missing.is_lead:
                await asyncio.sleep(READ_BACK_DELAY_S * 2**attempt)
        if not missing.is_lead:
            log.error("sound is lost", start_samples=missing.start_samples, end_samples=missing.end_samples)
        return silence(missing.start_samples, missing.end_samples)


def pieces(block: Block) -> Iterator[Block]:
    rest: Block | None = block
    while rest is not None:
        yield Block(rest.start_samples, rest.pcm[: PIECE_SAMPLES * 2])
        rest = rest.after(rest.start_samples + PIECE_SAMPLES)


def _gather(read_back: ReadBack, missing: Missing) -> Block | None:
    """The sound from the start of ``missing`` as far as the recording has it; None when it has none of it."""
    parts: list[bytes] = []
    position_samples = missing.start_samples
    for block in read_back(missing.start_samples, missing.end_samples):
        rest = block.after(position_samples)
        if rest is None or rest.start_samples >= missing.end_samples:
            continue
        pcm = rest.pcm[: (missing.end_samples - rest.start_samples) * 2]
        parts += [bytes((rest.start_samples - position_samples) * 2), pcm]
        position_samples = rest.start_samples + len(pcm) // 2
    return Block(missing.start_samples, b"".join(parts)) if position_samples > missing.start_samples else None
