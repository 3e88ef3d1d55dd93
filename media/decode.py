"""Files to blocks. With ``container_stream`` the only place that opens media, and never as libav would by itself.

The demuxer is forced by magic, codecs are on an allow-list, libav may open nothing but the bytes it is given, and every
count that a hostile file could blow up has a limit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import av
import av.error
import structlog

from media.containers import CODECS, HEAD_BYTES, OGG, Container, sniff
from media.disk_writer import disk_error
from media.frames import GAP_MAX_S, FrameJoiner, too_long
from media.libav_memory import bound_allocations
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError, NotFound, TooLarge

log = structlog.get_logger(__name__)

_BLOCK_BYTES = 2 * SAMPLE_RATE_HZ  # one second
_LIVE_BUFFER_BYTES = 4 * 1024
_FILE_BUFFER_BYTES = 64 * 1024
# Headers are often a frame or two off; a file that is this much shorter than it says was cut.
_CUT_MIN_S = 1.0
# What libav and PyAV raise on damaged input: FFmpegError for most, the others from odd sizes and texts in headers.
LIBAV_ERRORS = (av.error.FFmpegError, ValueError, OverflowError, MemoryError)


@dataclass(frozen=True)
class DecodeLimits:
    """What one file or stream may ask of us; beyond is ``TooLarge`` or ``AudioFormatError``."""

    bytes_max: int
    duration_max_s: float
    channels_max: int = 8
    sample_rate_min_hz: int = 8_000
    sample_rate_max_hz: int = 192_000
    containers: frozenset[str] | None = None  # their names; None: all that are known
    streams_max: int = 8  # a film has a picture, a few languages and subtitles; each costs memory
    work_max_s: float = 1800.0  # time spent inside libav; six hours take about two minutes


class Readable(Protocol):
    """What libav reads from: a file, or a pipe without ``seek``."""

    def read(self, size: int, /) -> bytes: ...


class _OpenFile:
    """A file without its name, so that no error text can carry a path."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


class PacketDecoder:
    """The first audio stream of an open container as blocks; a damaged packet is skipped and counted."""

    def __init__(
        self,
        source: Readable,
        container: Container,
        limits: DecodeLimits,
        *,
        live: bool = False,
        channel: int | None = None,
    ) -> None:
        """Raises ``AudioFormatError``. ``live``: open on as few bytes as possible. ``channel``: the one that is wanted;
        None: all, mixed. Must be closed."""
        self.damaged_packets = 0
        self.cut = False  # the stream ended in an error
        self._limits = limits
        self._is_ogg = container is OGG
        self._work_s = 0.0
        self.joiner = FrameJoiner(
            length_max_samples=round(limits.duration_max_s * SAMPLE_RATE_HZ),
            channels_max=limits.channels_max,
            rate_min_hz=limits.sample_rate_min_hz,
            rate_max_hz=limits.sample_rate_max_hz,
            channel=channel,
        )
        with _translated("the file cannot be read as audio"):
            self._input = open_container(source, container, limits, live=live)
        try:
            self.stream = audio_stream(self._input)
        except AudioFormatError:
            self.close()
            raise

    def blocks(self) -> Iterator[Block]:
        """Every block. Raises ``TooLarge``, or ``AudioFormatError`` when there is no sound at all."""
        with self._packets() as packets:
            while True:
                started_s = time.monotonic()
                packet = self._next(packets)
                if packet is None:
                    break
                found = self._decode(packet)
                self._work_s += time.monotonic() - started_s
                if self._work_s > self._limits.work_max_s:
                    raise TooLarge("the file takes too long to decode", details={"work_max_s": self._limits.work_max_s})
                yield from found
        yield from self.joiner.flush()
        self._report()
        if not self.joiner.end_samples:
            raise AudioFormatError("there is no sound in this file")

    def check_length(self) -> None:
        """Raises ``TooLarge`` when the packets say that they last too long. Reads all of them and decodes none."""
        time_base = float(self.stream.time_base or 0)
        end_s = last_s = 0.0
        started_s = time.monotonic()
        with self._packets() as packets:
            while (packet := self._next(packets)) is not None:
                if packet.pts is not None:
                    # A hole that is not too wide to be believed is filled with silence, which has its length, too.
                    gap_s = packet.pts * time_base - last_s
                    end_s += gap_s if 0.0 < gap_s <= GAP_MAX_S and end_s else 0.0
                    last_s = packet.pts * time_base
                length_s = (packet.duration or 0) * time_base
                end_s, last_s = end_s + length_s, last_s + length_s
                if end_s > self._limits.duration_max_s:
                    raise too_long(self._limits.duration_max_s)
                if time.monotonic() - started_s > self._limits.work_max_s:
                    raise TooLarge("the file takes too long to read", details={"work_max_s": self._limits.work_max_s})

    def declared_duration_s(self) -> float | None:
        """As the header has it; not to be believed."""
        if self.stream.duration is not None and self.stream.time_base is not None:
            # Of Ogg, libav tells where the last page ends, also where the first one begins long after 0.
            begun = max(0, self.stream.start_time or 0) if self._is_ogg else 0
            return float((self.stream.duration - min(begun, self.stream.duration)) * self.stream.time_base)
        return self._input.duration / av.time_base if self._input.duration is not None else None

    def close(self) -> None:
        self._input.close()

    def _report(self) -> None:
        declared_s, decoded_s = self.declared_duration_s() or 0.0, self.joiner.end_samples / SAMPLE_RATE_HZ
        if self.damaged_packets or self.cut or declared_s - decoded_s > _CUT_MIN_S:
            log.warning(
                "damaged media",
                damaged_packets=self.damaged_packets,
                cut=self.cut,
                declared_s=round(declared_s, 3),
                decoded_s=round(decoded_s, 3),
            )

    @contextmanager
    def _packets(self) -> Iterator[Iterator[av.Packet[av.AudioStream]]]:
        """Closed by hand: what PyAV reads into is not freed where nobody reads on to the end."""
        packets = self._input.demux(self.stream)
        try:
            yield packets
        finally:
            packets.close()

    def _next(self, packets: Iterator[av.Packet[av.AudioStream]]) -> av.Packet[av.AudioStream] | None:
        try:
            return next(packets, None)
        except LIBAV_ERRORS:
            self.cut = True
            return None

    def _decode(self, packet: av.Packet[av.AudioStream]) -> list[Block]:
        try:
            frames = packet.decode()
        except EOFError:  # a second flush packet
            return []
        except LIBAV_ERRORS:
            self.damaged_packets += 1
            return []
        return [block for frame in frames for block in self.joiner.add(frame)]


def decode_file(path: Path, limits: DecodeLimits, channel: int | None = None) -> Iterator[Block]:
    """The sound of ``path`` in blocks of about a second from 0 on: of one channel, or of all mixed. Blocking.

    A cut or damaged file gives what can be decoded (a warning in the log tells). Raises ``AudioFormatError`` when that
    is nothing, ``TooLarge`` over a limit (after the blocks before it), ``NotFound`` and ``StoreUnavailable``.
    """
    with _opened(path, limits, channel) as decoder:
        start_samples = 0
        pcm = bytearray()
        for block in decoder.blocks():
            pcm += block.pcm
            if len(pcm) >= _BLOCK_BYTES:
                yield Block(start_samples, bytes(pcm))
                start_samples = block.end_samples
                pcm.clear()
        if pcm:
            yield Block(start_samples, bytes(pcm))


def check_file(path: Path, limits: DecodeLimits) -> int:
    """Look whether ``path`` begins with sound that is taken and lasts no longer than it may. Blocking; raises as above.

    Returns how many channels it has.

    A length that the header tells is believed for now: decoding stops where the limit is. Without one, or when it is
    too long, the packets are counted.
    """
    with _opened(path, limits) as decoder:
        if next(decoder.blocks(), None) is None:
            raise AudioFormatError("there is no sound in this file")
        declared_s, channels = decoder.declared_duration_s(), int(decoder.stream.channels)
    if declared_s is None or declared_s > limits.duration_max_s:
        with _opened(path, limits) as decoder:
            decoder.check_length()
    return channels


def probe_duration_s(path: Path, limits: DecodeLimits) -> float | None:
    """What the file's header says of its length, None when it says nothing (as MediaRecorder's). Raises as above."""
    with _opened(path, limits) as decoder:
        return decoder.declared_duration_s()


def open_container(source: Readable, container: Container, limits: DecodeLimits, *, live: bool) -> Any:
    bound_allocations()
    options = {
        "codec_whitelist": ",".join(sorted(CODECS)),
        "format_whitelist": container.demuxer,
        "protocol_whitelist": "none",
        "max_streams": str(limits.streams_max),
    }
    if live:
        # Everything needed stands in the header; looking ahead would cost seconds of delay.
        options |= {"probesize": "32", "analyzeduration": "0"}
    return av.open(
        source,
        format=container.demuxer,
        container_options=options,
        metadata_errors="replace",
        io_open=_refuse_to_open,
        # A full buffer is waited for in places; small ones keep a live stream's delay small.
        buffer_size=_LIVE_BUFFER_BYTES if live else _FILE_BUFFER_BYTES,
    )


def audio_stream(opened: Any) -> Any:
    """The first stream of sound, ready to decode."""
    if not opened.streams.audio:
        raise AudioFormatError("there is no sound in this file")
    stream = opened.streams.audio[0]
    codec = stream.codec_context
    if codec is None or codec.name not in CODECS:
        name = codec.name if codec else "unknown"
        raise AudioFormatError(f"unsupported codec: {name}", details={"codec": name})
    codec.thread_count = 1
    return stream


@contextmanager
def _opened(path: Path, limits: DecodeLimits, channel: int | None = None) -> Iterator[PacketDecoder]:
    try:
        file = path.open("rb")
        size_bytes = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise NotFound("there is no such file") from error
    except OSError as error:
        raise disk_error(error, "reading the file") from error
    with file:
        if size_bytes > limits.bytes_max:
            raise TooLarge("the file is too large", details={"bytes_max": limits.bytes_max})

        def read_at(offset_bytes: int) -> bytes:
            file.seek(offset_bytes)
            return file.read(HEAD_BYTES)

        name, decoder = "unknown", None
        try:
            container = sniff(read_at(0), read_at)
            name = container.name
            if limits.containers is not None and name not in limits.containers:
                taken = sorted(limits.containers)
                message = f"unsupported audio format: this is {name}, and taken are {', '.join(taken)}"
                raise AudioFormatError(message, details={"containers": taken})
            file.seek(0)
            decoder = PacketDecoder(_OpenFile(file), container, limits, channel=channel)
            yield decoder
        except AudioFormatError as error:
            rate_hz = decoder.stream.codec_context.sample_rate if decoder is not None else 0
            error.details = {"format": name, "sample_rate": rate_hz, **error.details}
            raise
        finally:
            if decoder is not None:
                decoder.close()


@contextmanager
def _translated(message: str) -> Iterator[None]:
    try:
        yield
    except LIBAV_ERRORS as error:
        raise AudioFormatError(message) from error


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError("media may not name other media")
