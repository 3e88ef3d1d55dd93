"""A container's bytes as they come over a socket (MediaRecorder's WebM, Ogg or MP4; WAV) to blocks, while they come."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import structlog

from media.containers import HEAD_BYTES, sniff
from media.decode import DecodeLimits, PacketDecoder
from protocol.blocks import Block
from protocol.errors import AudioFormatError, EarshotError, Internal, TooLarge

log = structlog.get_logger(__name__)

# Half a minute of a browser's Opus at 128 kbit/s; a feeder that is further ahead waits.
_PIPE_MAX_BYTES = 512 * 1024


class ContainerDecoder:
    """``feed`` bytes as they come, ``close`` at the end; ``on_block`` is called in the decoder's own thread.

    Blocks touch and begin at 0; a hole between timestamps is silence. ``on_block`` may block, and then ``feed`` does:
    what waits is bounded. The first failure, also one that ``on_block`` raises, is raised by ``feed`` and ``close``:
    ``AudioFormatError`` for bytes that are no container we take or hold no sound, ``TooLarge`` over a limit.
    ``on_drained`` is called in that thread with the number of bytes worked through, whenever that is all there is.
    """

    fed_bytes: int  # all that ``feed`` has taken

    def __init__(
        self,
        limits: DecodeLimits,
        on_block: Callable[[Block], None],
        *,
        on_drained: Callable[[int], None] = lambda taken_bytes: None,
    ) -> None:
        self.fed_bytes = 0
        self._limits = limits
        self._on_block = on_block
        self._pipe = _Pipe(_PIPE_MAX_BYTES, on_drained)
        self._failure: EarshotError | None = None
        # Started by the first bytes, so that a stream without any needs no close.
        self._thread: threading.Thread | None = None

    def feed(self, data: bytes) -> None:
        """Blocks while the pipe is full: call from a thread."""
        if not data:
            return
        if self.fed_bytes + len(data) > self._limits.bytes_max:
            raise TooLarge("the stream is too large", details={"bytes_max": self._limits.bytes_max})
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="container-decoder", daemon=True)
            self._thread.start()
        if not self._pipe.write(data):
            raise self._failure or AudioFormatError("the stream has ended and takes no more bytes")
        self.fed_bytes += len(data)

    def close(self) -> None:
        """Decodes what was fed and joins the thread. Blocks: call from a thread. Idempotent but for the failure."""
        self._pipe.end()
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._decode()
        except EarshotError as error:
            self._failure = error
        except Exception:
            log.exception("container decoder ended")
            self._failure = Internal("the stream could not be decoded")
        finally:
            self._pipe.abandon()

    def _decode(self) -> None:
        container = sniff(self._pipe.peek(HEAD_BYTES))
        decoder = PacketDecoder(self._pipe, container, self._limits, live=True)
        try:
            for block in decoder.blocks():
                self._on_block(block)
        finally:
            decoder.close()


class _Pipe:
    """Bytes from one thread to another; the writer waits while ``max_bytes`` or more are inside (policy: block)."""

    def __init__(self, max_bytes: int, on_drained: Callable[[int], None]) -> None:
        self._max_bytes = max_bytes
        self._on_drained = on_drained
        self._taken_bytes = 0
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._inside_bytes = 0
        self._ended = False  # no more is written
        self._abandoned = False  # no more is read

    def write(self, data: bytes) -> bool:
        """False when there is no reader any more, or the writing end was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside_bytes < self._max_bytes or self._abandoned or self._ended)
            if self._abandoned or self._ended:
                return False
            self._chunks.append(bytes(data))
            self._inside_bytes += len(data)
            self._changed.notify_all()
            return True

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        with self._changed:
            self._abandoned = True
            self._chunks.clear()
            self._inside_bytes = 0
            self._changed.notify_all()

    def peek(self, size: int) -> bytes:
        """The first ``size`` bytes, which stay; fewer only at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside_bytes >= size or self._ended)
            return b"".join(self._chunks)[:size]

    def read(self, size: int) -> bytes:
        """What is there, at most ``size``; waits for the first byte. Empty at the end."""
        with self._changed:
            if not self._chunks and not self._ended:
                self._on_drained(self._taken_bytes)
            self._changed.wait_for(lambda: self._chunks or self._ended)
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            self._inside_bytes -= len(chunk)
            self._taken_bytes += len(chunk)
            self._changed.notify_all()
            return chunk
