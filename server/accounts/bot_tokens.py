"""Tokens of bots: each lets one bot send what it hears of one meeting, until it leaves, and nothing else.

A bot's maker gives it an address and no headers, so that this token, alone of all that last, stands in a query. It
opens no more than that one socket, which tells nothing.
"""

from __future__ import annotations

import hashlib
import secrets

from protocol.errors import NotAuthorised
from server.accounts.principal import Principal, Scope
from server.store.bot_store import BotStore

PREFIX = "eab_"
RANDOM_BYTES = 32
TOKEN_MAX_CHARS = 128
PARAMETER = "token"


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def hashed(token: str) -> str:
    """What is kept of a token. It is random, so that nobody finds it by trying."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


async def identify(bots: BotStore, token: str) -> Principal:
    """The bot whose token it is. Raises ``NotAuthorised``."""
    is_one = token.startswith(PREFIX) and len(token) <= TOKEN_MAX_CHARS
    bot = await bots.attending(hashed(token)) if is_one else None
    if bot is None:
        raise NotAuthorised("this token is none of a bot; register it again")
    return Principal("bot", trusted=False, scopes=frozenset({Scope.SPEAK}), bot_id=bot.id)
