"""Who asks, found out by what they show: the one place that knows every kind of credential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.accounts.credentials import identify
from server.accounts.principal import Principal
from server.settings import Settings
from server.store.store import Store


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request or a handshake shows of who asks. ``headers`` has lower-case names."""

    headers: Mapping[str, str] = field(repr=False)
    subprotocols: Sequence[str] = field(default=(), repr=False)
    address: str | None = None


class Accounts:
    """Credentials of every kind, made into principals."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        secret = settings.access_token
        self._access_token = secret.get_secret_value() if secret is not None else None

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches the server may do everything."""
        return self._access_token is None

    async def identify(self, shown: Shown) -> Principal:
        return identify(self._access_token, shown.headers, shown.subprotocols, address=shown.address)
