"""Who asks, found out by what they show: the one place that knows every kind of credential."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from protocol.errors import Conflict, NotAuthorised
from server.accounts import attendance_tokens, bot_tokens
from server.accounts.api_keys import ApiKeys, is_api_key
from server.accounts.client_secrets import ClientSecrets, is_client_secret
from server.accounts.credentials import anyone, holder, is_access_token, secrets_of
from server.accounts.keys_of_issuer import IssuerKeys
from server.accounts.principal import Principal, nobody
from server.accounts.signing_keys import read_pem, shared_secret
from server.accounts.tickets import Tickets
from server.accounts.tokens import Keys, OneKey, Tokens
from server.settings import Settings
from server.store.store import Store

SECRETS_MAX = 2  # such as a person's token beside their key


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request or a handshake shows of who asks. ``headers`` has lower-case names."""

    headers: Mapping[str, str] = field(repr=False)
    subprotocols: Sequence[str] = field(default=(), repr=False)
    address: str | None = None
    ticket: str | None = field(default=None, repr=False)
    transcript_id: str | None = None  # which a ticket must be for
    bot_token: str | None = field(default=None, repr=False)


class Accounts:
    """Credentials of every kind, made into principals."""

    def __init__(self, settings: Settings, store: Store, tokens: Tokens | None, issuer: IssuerKeys | None) -> None:
        secret = settings.access_token
        self._access_token = secret.get_secret_value() if secret is not None else None
        self._public = settings.public_mode
        self._rooms = store.rooms
        self._bots = store.bots
        self._tokens = tokens
        self._issuer = issuer
        self.api_keys = ApiKeys(store.keys, keys_max=settings.api_keys_max)
        self.tickets = Tickets(store.keys, ticket_s=settings.ticket_s)
        self.client_secrets = ClientSecrets(store.keys)

    @classmethod
    async def open(cls, settings: Settings, store: Store) -> Accounts:
        """Raises ``OSError`` or ``ValueError`` when the key file is gone or spoilt."""
        if settings.auth_mode == "none":
            return cls(settings, store, None, None)
        keys: Keys
        issuer: IssuerKeys | None = None
        if settings.jwt_secret is not None:
            keys = OneKey(shared_secret(settings.jwt_secret.get_secret_value()))
        elif settings.jwt_key_file is not None:
            keys = OneKey(await asyncio.to_thread(read_pem, settings.jwt_key_file))
        else:
            keys = issuer = IssuerKeys(
                issuer=settings.auth_issuer,
                jwks_url=settings.jwt_jwks_url,
                deadline_s=settings.auth_fetch_deadline_s,
                again_s=settings.auth_keys_again_s,
                age_max_s=settings.auth_keys_age_max_s,
            )
        tokens = Tokens(
            keys,
            issuer=settings.auth_issuer,
            audiences=settings.auth_audience,
            leeway_s=settings.auth_leeway_s,
            max_bytes=settings.auth_token_max_bytes,
            admin_claim=settings.auth_admin_claim,
            admin_value=settings.auth_admin_value,
        )
        return cls(settings, store, tokens, issuer)

    async def close(self) -> None:
        if self._issuer is not None:
            await self._issuer.close()

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches the server may do everything."""
        return self._access_token is None and self._tokens is None

    def check_guarded(self) -> None:
        """Raises ``Conflict`` on an open server: keys made there would open it for good once it is closed."""
        if self.is_open:
            raise Conflict("here everybody may do everything, and keys open nothing: set access_token or auth_mode")

    async def identify(self, shown: Shown) -> Principal:
        """Everything that is shown must hold, and be of one user; what does not makes nobody, who is told why.

        Raises ``StoreUnavailable``, and ``TryLater`` when the issuer of tokens cannot be asked.
        """
        if self.is_open:
            return anyone(shown.headers, shown.address)
        try:
            given = secrets_of(shown.headers, shown.subprotocols)
            if len(given) > SECRETS_MAX:
                raise NotAuthorised("too many credentials: send one")
            found = [await self._holder_of(each) for each in given]
            if shown.ticket is not None:
                found.append(await self.tickets.redeem(shown.ticket, shown.transcript_id))
                await self.recheck(found[-1])
            if shown.bot_token is not None and not found:
                return await bot_tokens.identify(self._bots, shown.bot_token)
            return _one_of(found) if found else nobody(public=self._public)
        except NotAuthorised as error:
            return nobody(refused=error.message, lapsed=bool(error.details.get("lapsed")))

    async def recheck(self, principal: Principal) -> None:
        """Look again at somebody who was let in. Raises ``NotAuthorised`` when their time is over."""
        if principal.expires_at is not None and time.time() >= principal.expires_at:
            raise NotAuthorised("your token or key has expired; sign in again")
        if principal.key_id is not None:
            await self.api_keys.check(principal.key_id)

    async def _holder_of(self, secret: str) -> Principal:
        if is_access_token(self._access_token, secret):
            return holder()
        if is_api_key(secret):
            return await self.api_keys.identify(secret)
        if is_client_secret(secret):
            talker = await self.client_secrets.identify(secret)
            await self.recheck(talker)
            return talker
        if attendance_tokens.is_token(secret):
            participant = await attendance_tokens.identify(self._rooms, secret)
            await self.recheck(participant)
            return participant
        if self._tokens is None:
            raise NotAuthorised("this is not the server's access token")
        return await self._tokens.identify(secret)


def _one_of(found: Sequence[Principal]) -> Principal:
    """One user who showed several things has what all of these give."""
    one = found[0]
    for other in found[1:]:
        if other.id != one.id or (one.key_id and other.key_id and one.key_id != other.key_id):
            raise NotAuthorised("these credentials are of different users or keys: send one")
        ends = [each.expires_at for each in (one, other) if each.expires_at is not None]
        one = replace(
            one,
            host=one.host and other.host,
            scopes=one.scopes & other.scopes,
            expires_at=min(ends, default=None),
            key_id=one.key_id or other.key_id,
            talks_only=one.talks_only or other.talks_only,
        )
    return one
