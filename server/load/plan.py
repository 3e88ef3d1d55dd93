"""What was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.commands.addresses import ServerAddress, Ways
from server.load.sound import LoadSound

SESSIONS_MAX = 5_000
LISTENERS_MAX = 20_000
UPLOADS_MAX = 10_000
DURATION_MAX_S = 7 * 86_400.0


@dataclass(frozen=True)
class Plan:
    """``sockets`` and ``webrtc`` sessions begin evenly within ``ramp_s`` and speak for ``duration_s``, in whole rounds.

    ``has_words``: the sound's text is exact, so nobody needs to speak alone first.
    """

    addresses: Sequence[ServerAddress]
    sound: LoadSound
    duration_s: float
    ramp_s: float
    sockets: int = 0
    webrtc: int = 0
    listeners: int = 0
    uploads: int = 0
    has_words: bool = False
    keep: bool = False

    @property
    def sessions(self) -> int:
        return self.sockets + self.webrtc

    @property
    def rounds(self) -> int:
        return self.sound.rounds_in(self.duration_s)

    @property
    def length_s(self) -> float:
        """From the first session's beginning to the last one's end."""
        return self.ramp_s + self.rounds * self.sound.round_s

    @property
    def kinds(self) -> list[str]:
        counts = {"socket": self.sockets, "webrtc": self.webrtc, "file": self.uploads}
        return [kind for kind, count in counts.items() if count]

    def ways(self, number: int) -> Ways:
        """The addresses, of which each client begins with another."""
        return Ways(self.addresses, number)

    def kind_of(self, number: int) -> str:
        """Sockets and WebRTC mixed, so that neither is all of the ramp's beginning."""
        before = number * self.webrtc // self.sessions
        return "webrtc" if (number + 1) * self.webrtc // self.sessions > before else "socket"
