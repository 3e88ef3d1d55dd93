"""Places for WebRTC peers: so many that are not connected yet, and so many of one client address.

An offer costs its sender a few hundred bytes and us sockets, keys and a session, so both are counted before anything is
made. A place is given back when its peer is closed, which its connect deadline sees to.
"""

from __future__ import annotations

from collections import Counter

from protocol.errors import TooManyPeers

ADDRESS_RETRY_S = 10.0


class PeerPlaces:
    """The counts. ``connect_deadline_s``: so long a peer may take a place without being connected."""

    def __init__(self, *, connecting_max: int, per_address_max: int, connect_deadline_s: float) -> None:
        self._connecting_max = connecting_max
        self._per_address_max = per_address_max
        self._connect_deadline_s = connect_deadline_s
        self._connecting = 0
        self._by_address: Counter[str] = Counter()

    @property
    def connecting(self) -> int:
        return self._connecting

    @property
    def count(self) -> int:
        return self._by_address.total()

    def take(self, address: str, *, instead_of: PeerPlace | None = None) -> PeerPlace:
        """A place for one more peer of ``address``. Raises ``TooManyPeers``.

        ``instead_of`` is given back for it; not when there is no place, as its peer stays then.
        """
        connecting, of_address = self._connecting, self._by_address[address]
        if instead_of is not None:
            connecting -= instead_of.is_connecting
            of_address -= instead_of.is_taken and instead_of.address == address
        if connecting >= self._connecting_max:
            raise _refused("too many peers are connecting just now", self._connect_deadline_s, self._connecting_max)
        if of_address >= self._per_address_max:
            raise _refused("your address has too many peers already", ADDRESS_RETRY_S, self._per_address_max)
        if instead_of is not None:
            instead_of.free()
        self._connecting += 1
        self._by_address[address] += 1
        return PeerPlace(self, address)

    def _connected(self) -> None:
        self._connecting -= 1

    def _freed(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class PeerPlace:
    """One peer's place."""

    def __init__(self, places: PeerPlaces, address: str) -> None:
        self._places = places
        self.address = address
        self.is_connecting = True
        self.is_taken = True

    def connected(self) -> None:
        """It counts among those that are connecting no more. Idempotent."""
        if self.is_connecting:
            self.is_connecting = False
            self._places._connected()

    def free(self) -> None:
        """Give the place back. Idempotent."""
        self.connected()
        if self.is_taken:
            self.is_taken = False
            self._places._freed(self.address)


def _refused(why: str, retry_after_s: float, most: int) -> TooManyPeers:
    details = {"max": most, "retry_after_s": round(retry_after_s)}
    return TooManyPeers(f"{why}; try again soon", details=details, retry_after_s=retry_after_s)
