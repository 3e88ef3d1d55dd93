"""From RTP packets of Opus, as the network brings them, to sound in which sample index equals media time.

Pure: no I/O, no clock of its own. In order means delivered at once; a recogniser needs no play-out delay. On a hole,
later packets wait until the missing one comes, three newer ones wait, or 60 ms have passed; longer where packets come
late, 200 ms at most (``media.patience``). What is missing for good is concealed for 100 ms and silent after that. Time
comes from the RTP timestamps (48 kHz, RFC 7587 section 4.1) in integers, so nothing drifts.

What a sender can do to time is bounded by the clock on the wall: sound runs at most ``RATE_MAX`` times as fast, plus
some slack, and a timestamp that jumps backwards, or further than 30 s, is placed by the wall instead. A packet that
lies within what was heard already is dropped, unless the wall says that its sound is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from media.opus import STEP_SAMPLES, OpusDecoder, packet_samples
from media.patience import Patience
from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, SAMPLE_RATE_HZ, Block, silence
from protocol.errors import AudioFormatError

TICKS_PER_SAMPLE = 3
CONCEAL_MAX_SAMPLES = 100 * MS_SAMPLES
JUMP_MAX_SAMPLES = 30 * SAMPLE_RATE_HZ
AHEAD_MAX_PACKETS = 1500
LATE_MAX_PACKETS = 100
RESYNC_PACKETS = 5
LATE_MAX_SAMPLES = 20 * MS_SAMPLES
"""So far behind its timestamps sound may be before a packet is cut to catch up: GStreamer's second one begins 6.5 ms
before the first one's end, because that is how far its encoder looks ahead."""
RATE_MAX = 8
SLACK_SAMPLES = 5 * SAMPLE_RATE_HZ


@dataclass(slots=True)
class TimelineStats:
    """Counters of one timeline since it began."""

    packets: int = 0
    lost: int = 0
    late: int = 0
    broken: int = 0
    refused: int = 0
    resyncs: int = 0
    concealed_samples: int = 0
    length_samples: int = 0


class _Packet(NamedTuple):
    sequence: int
    timestamp: int
    payload: bytes
    arrived_s: float


class OpusTimeline:
    """Packets in any order in, blocks in order out: they never overlap and never go back.

    Silence is filled in up to 30 s at a time; a longer pause leaves a hole between two blocks. Memory is bounded: at
    most ``HOLD_MAX_PACKETS`` held back and ``RESYNC_PACKETS`` under suspicion.
    """

    def __init__(self, decoder: OpusDecoder) -> None:
        self.stats = TimelineStats()
        self._decoder = decoder
        self._next: int | None = None
        self._patience = Patience()
        self._held: dict[int, _Packet] = {}  # in the order they came in
        self._suspects: list[_Packet] = []
        # Where the timestamps of now lie on the track: ``_anchor_timestamp`` is ``_anchor_ticks`` since its start.
        self._anchor_timestamp = 0
        self._anchor_ticks = 0
        self._rebase = False
        self._end_samples = 0
        self._began_s = 0.0
        self._last_s = 0.0

    @property
    def holds(self) -> bool:
        """Whether anything is held back."""
        return bool(self._held)

    @property
    def deadline_s(self) -> float | None:
        """When ``poll`` is due: the clock's value after which what is held back no longer waits; None for never."""
        if not self._held:
            return None
        return self._waiting_since_s() + self._patience.hold_s

    @property
    def end_samples(self) -> int:
        """Where the sound delivered so far ends."""
        return self._end_samples

    def push(self, sequence: int, timestamp: int, payload: bytes, now_s: float) -> list[Block]:
        """Take one packet (16-bit sequence, 32-bit timestamp as on the wire); returns what can be heard now."""
        self.stats.packets += 1
        if sequence == self._next and not (self._held or self._suspects):  # nearly all of them
            self._next = (sequence + 1) & 0xFFFF
            return self._deliver(timestamp, payload, now_s)
        packet = _Packet(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, payload, now_s)
        if self._next is None:
            self._begin(packet)
        assert self._next is not None
        ahead = (packet.sequence - self._next) & 0xFFFF
        if ahead >= 0x8000:
            ahead -= 0x10000
        if ahead > AHEAD_MAX_PACKETS or ahead < -LATE_MAX_PACKETS:
            return self._suspect(packet)
        if ahead < 0 or packet.sequence in self._held:
            self.stats.late += 1
            if ahead < 0:
                self._patience.came_late(packet.sequence, now_s)
            return []
        self._acquit()
        if ahead == 0 and self._held:
            self._patience.came_in_time(self._waiting_since_s(), len(self._held), now_s)
        self._patience.forget(now_s)
        self._held[packet.sequence] = packet
        blocks = self._drain()
        while len(self._held) >= self._patience.hold_packets:
            blocks += self._skip()
        return blocks

    def poll(self, now_s: float) -> list[Block]:
        """Give up on holes that have been waited for long enough."""
        blocks: list[Block] = []
        while (due := self.deadline_s) is not None and now_s >= due:
            blocks += self._skip()
        return blocks

    def flush(self) -> list[Block]:
        """Everything held back, at the end."""
        blocks: list[Block] = []
        while self._held:
            blocks += self._skip()
        return blocks

    def restart(self) -> list[Block]:
        """The sender began anew (another SSRC): what comes next follows by the wall clock; returns what was held."""
        blocks = self.flush()
        self._patience.begin_anew()
        if self._next is not None:
            self._next = None
            self._rebase = True
            self.stats.resyncs += 1
        return blocks

    def _begin(self, packet: _Packet) -> None:
        self._next = packet.sequence
        if not self._rebase:
            self._began_s = self._last_s = packet.arrived_s
            self._anchor_timestamp = packet.timestamp

    def _suspect(self, packet: _Packet) -> list[Block]:
        # A packet from far away is noise, unless others follow it in order: then the sender began anew.
        if self._suspects and packet.sequence != (self._suspects[-1].sequence + 1) & 0xFFFF:
            self._acquit()
        self._suspects.append(packet)
        if len(self._suspects) < RESYNC_PACKETS:
            return []
        found, self._suspects = self._suspects, []
        blocks = self.restart()
        self._next = found[0].sequence
        self._held = {each.sequence: each for each in found}
        return blocks + self._drain()

    def _acquit(self) -> None:
        self.stats.late += len(self._suspects)
        self._suspects.clear()

    def _drain(self) -> list[Block]:
        blocks: list[Block] = []
        while self._next is not None and (packet := self._held.pop(self._next, None)) is not None:
            self._next = (self._next + 1) & 0xFFFF
            blocks += self._deliver(packet.timestamp, packet.payload, packet.arrived_s)
        return blocks

    def _waiting_since_s(self) -> float:
        return next(iter(self._held.values())).arrived_s

    def _skip(self) -> list[Block]:
        # What is missing before the nearest packet held is lost.
        expected = self._next
        assert expected is not None
        nearest = min(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
        missing = (nearest - expected) & 0xFFFF
        self.stats.lost += missing
        self._patience.gave_up(expected, missing, self._waiting_since_s())
        packet = self._held.pop(nearest)
        self._next = (nearest + 1) & 0xFFFF
        after_a_hole = nearest != expected
        return self._deliver(packet.timestamp, packet.payload, packet.arrived_s, lost=after_a_hole) + self._drain()

    def _deliver(self, timestamp: int, payload: bytes, arrived_s: float, *, lost: bool = False) -> list[Block]:
        length_samples = packet_samples(payload)
        if not length_samples:
            self.stats.broken += 1
            return []
        position = self._place(timestamp, arrived_s, length_samples)
        if position is None:
            self.stats.refused += 1
            return []
        blocks: list[Block] = []
        if position > self._end_samples:
            blocks = self._fill(position, payload, length_samples, lost=lost)
        try:
            decoded = Block(position, self._decoder.decode(payload), (payload,))
        except AudioFormatError:
            self.stats.broken += 1
            decoded = silence(position, position + length_samples, ())
        sound = decoded if position >= self._end_samples else decoded.after(self._end_samples)
        if sound is not None and sound.pcm:
            blocks.append(sound)
            self._end_samples = sound.start_samples + len(sound.pcm) // BYTES_PER_SAMPLE
        self.stats.length_samples = self._end_samples
        return blocks

    def _place(self, timestamp: int, arrived_s: float, length_samples: int) -> int | None:
        """Where the packet begins on the track, in samples; None when the wall's clock is against it."""
        end = self._end_samples
        step = (timestamp - self._anchor_timestamp) & 0xFFFFFFFF
        if step >= 0x80000000:
            step -= 0x100000000
        ticks = self._anchor_ticks + step
        limit = int(max(0.0, arrived_s - self._began_s) * SAMPLE_RATE_HZ) * RATE_MAX + SLACK_SAMPLES
        gap = ticks // TICKS_PER_SAMPLE - end
        if -STEP_SAMPLES < gap < STEP_SAMPLES and end + length_samples <= limit and not self._rebase:
            self._anchor(timestamp, arrived_s, ticks)  # nearly all of them
            return end
        position = self._in_steps(ticks // TICKS_PER_SAMPLE)
        waited_samples = int(max(0.0, arrived_s - self._last_s) * SAMPLE_RATE_HZ)
        if step > 0 and self._was_heard(position, length_samples, waited_samples):
            return None
        if (
            self._rebase
            or position < 0  # before the first packet, which had no sound
            or position + length_samples <= end
            or position - end > JUMP_MAX_SAMPLES
            or position + length_samples > limit
        ):
            position = max(end, self._in_steps(self._anchor_ticks // TICKS_PER_SAMPLE + waited_samples))  # by the wall
            ticks = position * TICKS_PER_SAMPLE
            if position + length_samples > limit:
                return None
        self._anchor(timestamp, arrived_s, ticks)
        return position + min(max(0, end - position), LATE_MAX_SAMPLES)

    def _anchor(self, timestamp: int, arrived_s: float, ticks: int) -> None:
        self._rebase = False
        self._anchor_timestamp = timestamp
        self._anchor_ticks = ticks
        if arrived_s > self._last_s:
            self._last_s = arrived_s

    def _was_heard(self, position: int, length_samples: int, waited_samples: int) -> bool:
        """Whether packets bring the same time again: each is longer than its timestamps are apart, and so was the wait.

        Where only the timestamps are too close, time has gone on by a packet, and what it brings is new.
        """
        return (
            position + length_samples <= self._end_samples
            and position < self._end_samples - LATE_MAX_SAMPLES
            and self._anchor_ticks // TICKS_PER_SAMPLE + waited_samples < self._end_samples - length_samples // 2
        )

    def _in_steps(self, position: int) -> int:
        """As many steps of 2.5 ms from the sound so far as come nearest; less than one is none.

        Some senders make timestamps from a clock and round them, which must cut no packet; and packets of silence,
        which a recording fills gaps with, come in such steps. Nothing adds up: each position is counted anew.
        """
        gap = position - self._end_samples
        if -STEP_SAMPLES < gap < STEP_SAMPLES:
            return self._end_samples
        return self._end_samples + (gap + STEP_SAMPLES // 2) // STEP_SAMPLES * STEP_SAMPLES

    def _fill(self, position: int, payload: bytes, length_samples: int, *, lost: bool) -> list[Block]:
        """What lies between the sound so far and ``position``: concealed where packets were lost, else silence."""
        gap = position - self._end_samples
        blocks: list[Block] = []
        if lost:
            blocks.append(Block(self._end_samples, self._conceal(gap, payload, length_samples), ()))
            self._end_samples = blocks[0].end_samples
        if self._end_samples < position <= self._end_samples + JUMP_MAX_SAMPLES:
            blocks.append(silence(self._end_samples, position, ()))
            self._end_samples = position
        return [block for block in blocks if block.pcm]

    def _conceal(self, gap_samples: int, payload: bytes, length_samples: int) -> bytes:
        samples = min(gap_samples, CONCEAL_MAX_SAMPLES) // STEP_SAMPLES * STEP_SAMPLES
        # The packet after a hole may carry a copy of the one before it, but only of that one.
        copied = min(length_samples, samples) if gap_samples <= CONCEAL_MAX_SAMPLES else 0
        try:
            pcm = self._decoder.conceal(samples - copied)
            if copied:
                pcm += self._decoder.recover(payload, copied)
        except AudioFormatError:
            return b""
        pcm = pcm[: samples * BYTES_PER_SAMPLE]
        self.stats.concealed_samples += len(pcm) // BYTES_PER_SAMPLE
        return pcm
