"""What a speaking client has sent and the server has not acknowledged: kept, so that it can be sent again. Pure."""

from __future__ import annotations

from collections import deque


class Outbox:
    """Sound by position: samples per channel (``unit_bytes`` each, all channels together), or bytes of a container.

    Invariant: it holds exactly the sound from ``acked`` up to ``end``. Who fills it asks ``unacked_bytes`` first: the
    bound is theirs.
    """

    def __init__(self, unit_bytes: int) -> None:
        self.unit_bytes = unit_bytes
        self.acked = 0
        self.end = 0
        self._chunks: deque[tuple[int, bytes]] = deque()  # (position of the first unit, sound)

    @property
    def unacked_bytes(self) -> int:
        return (self.end - self.acked) * self.unit_bytes

    def append(self, sound: bytes) -> None:
        """Raises ``ValueError`` for a part of a unit."""
        units, rest = divmod(len(sound), self.unit_bytes)
        if rest:
            raise ValueError(f"{len(sound)} bytes are no whole number of units of {self.unit_bytes}")
        if units:
            self._chunks.append((self.end, sound))
            self.end += units

    def ack(self, position: int) -> None:
        """Forget what is before ``position``; an older position than the last, or one not sent yet, changes nothing."""
        if position > self.end:
            return
        self.acked = max(self.acked, position)
        while self._chunks and self._chunk_end(self._chunks[0]) <= self.acked:
            self._chunks.popleft()

    def since(self, position: int) -> list[bytes]:
        """What to send from ``position`` on. Raises ``ValueError`` when that was forgotten: the server lost sound."""
        if not self.acked <= position <= self.end:
            raise ValueError(f"the server asks for position {position}; {self.acked} to {self.end} is kept")
        parts = []
        for chunk in self._chunks:
            start, sound = chunk
            if self._chunk_end(chunk) > position:
                parts.append(sound[max(position - start, 0) * self.unit_bytes :])
        return parts

    def _chunk_end(self, chunk: tuple[int, bytes]) -> int:
        return chunk[0] + len(chunk[1]) // self.unit_bytes
