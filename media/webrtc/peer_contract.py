"""What a peer is given, whom it tells, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from media.webrtc.sdp import OpusWishes
from protocol.blocks import Block
from protocol.states import SessionState


@dataclass(frozen=True)
class PeerSettings:
    """Deadlines and limits of one peer.

    ``loopback``: the server listens on loopback, so 127.0.0.1 and ::1 are offered, and accepted, as candidates too.
    ``private_clients``: clients may be reached at addresses of private networks.
    ``gone_after_s``: for so long no sound, and no ICE check or answer, that only the peer can have made: it is dead.
    ``direct_tap``: sound is taken from the datagrams, past aiortc's queues (``media.webrtc.tap``).
    """

    connect_deadline_s: float = 15.0
    ice_servers: tuple[str, ...] = ()
    sdp_max_bytes: int = 64 * 1024
    loopback: bool = False
    gone_after_s: float = 18.0
    direct_tap: bool = True
    private_clients: bool = True
    opus: OpusWishes = field(default_factory=OpusWishes)


class PeerListener(Protocol):
    """Told of everything, on the event loop. Must not block."""

    def on_block(self, block: Block) -> None:
        """``start_samples`` counts from the peer's first packet = 0; media time, gaps up to 30 s filled."""

    def on_message(self, text: str) -> None:
        """A text on the data channel ``events``."""

    def on_channel_open(self) -> None:
        """The data channel ``events`` can be written to."""

    def on_state(self, state: SessionState, reason: str) -> None:
        """connecting -> live -> closed. After closed nothing more is told."""


@dataclass(frozen=True, slots=True)
class PeerStats:
    """Counters since the peer began."""

    packets: int = 0
    lost: int = 0
    late: int = 0
    concealed: int = 0
    received_samples: int = 0
