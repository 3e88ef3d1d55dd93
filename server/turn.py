"""STUN and TURN servers for WebRTC clients: which there are, and credentials that hold for a while.

A TURN server that shares a secret with us (coturn: ``use-auth-secret``) takes any user name that is an expiry and a
name, with the HMAC of that as password (draft-uberti-behave-turn-rest-00). So nothing is stored on either side, and a
client never sees the secret. URLs are those of RFC 7064 (``stun:``) and RFC 7065 (``turn:``).
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from server.network_settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class IceServer:
    """One entry of a browser's ``iceServers``; only TURN has a user name and a credential, which is a secret."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


def ice_servers(settings: NetworkSettings) -> tuple[IceServer, ...]:
    """What a client's peer connection should use. Its credentials hold for ``turn_credential_s`` from now on."""
    servers: list[IceServer] = []
    if settings.ice_servers:
        servers.append(IceServer(settings.ice_servers))
    if settings.turn_urls and settings.turn_secret is not None:
        # The name is chance: it ends up in the TURN server's log, and says nothing of who asked.
        expiry = int(time.time()) + settings.turn_credential_s
        username, credential = turn_credential(
            settings.turn_secret.get_secret_value(), name=secrets.token_hex(6), expires_epoch_s=expiry
        )
        servers.append(IceServer(settings.turn_urls, username, credential))
    return tuple(servers)


def turn_credential(secret: str, *, name: str, expires_epoch_s: int) -> tuple[str, str]:
    """User name and password for a TURN server that shares ``secret``."""
    username = f"{expires_epoch_s}:{name}"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()


def link_headers(servers: Sequence[IceServer]) -> tuple[str, ...]:
    """The servers as values of ``Link`` headers (RFC 9725 section 4.6)."""
    links = []
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username is not None and server.credential is not None:
                link += f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'
            links.append(link)
    return tuple(links)


def own_stun(urls: Sequence[str]) -> tuple[str, ...]:
    """The first URL that our own side can ask for its address: aioice takes one, over UDP, by a name or IPv4."""
    return tuple(url for url in urls if url.startswith("stun:") and "[" not in url)[:1]
