"""The settings of the network of WebRTC; part of ``server.settings.Settings``."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from server.nodes.node_settings import check_ports_of_workers

_HOST_AND_PORT = r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?"
_STUN = re.compile(rf"stuns?:{_HOST_AND_PORT}")
_TURN = re.compile(rf"turns?:{_HOST_AND_PORT}(?:\?transport=(?:udp|tcp))?")
PORT_MIN = 1024
PORTS_BELOW = (0, 80, 443)
"""Browsers write to no other port below 1024 (libwebrtc's ``VerifyCandidate``); 0 takes a free one."""


class NetworkSettings(BaseSettings):
    """By which ports and addresses clients reach us, through which servers, and how many at once."""

    ice_servers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="STUN server URLs for clients, comma-separated; the server asks the first that is UDP, too."
    )
    turn_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="TURN URLs for clients, comma-separated, such as turns:turn.example.org:443?transport=tcp."
    )
    turn_secret: SecretStr | None = Field(
        None,
        validate_default=True,
        description="Secret shared with the TURN server (coturn: use-auth-secret) for time-limited credentials.",
    )
    turn_credential_s: int = Field(
        6 * 3600, ge=60, le=7 * 86400, description="So long a client's TURN credentials hold."
    )
    udp_port: int = Field(0, ge=0, le=65535, description="UDP port that all WebRTC peers share; 0 takes a free one.")
    udp_port_range: str = Field(
        "",
        validate_default=True,
        description="UDP ports such as 40000-40100, one for each WebRTC peer, in place of udp_port.",
    )
    udp_receive_buffer_kb: int = Field(
        4096,
        ge=64,
        le=1 << 20,
        description="Receive buffer asked of the system for the shared UDP port; less may be given.",
    )
    public_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="IP addresses, comma-separated, that WebRTC clients are told in place of this machine's own (NAT).",
    )
    private_clients: bool = Field(
        True, description="Whether WebRTC clients may be reached at private addresses, such as 192.168.1.20."
    )
    direct_tap: bool = Field(
        True,
        description="Sound is taken from the UDP socket, past aiortc's queues, which is cheaper; false: through them.",
    )
    opus_wideband: bool = Field(
        True, description="WebRTC clients are asked for speech at 16 kHz, which is all that recognisers hear."
    )
    opus_dtx: bool = Field(True, description="WebRTC clients are asked to send next to nothing while nobody speaks.")
    opus_packet_ms: int = Field(
        20,
        ge=20,
        le=60,
        multiple_of=20,
        description="Packet length (20, 40, 60) asked of WebRTC clients; longer: cheaper.",
    )
    peer_gone_after_s: float = Field(
        18.0,
        ge=1.0,
        le=120.0,
        description="A WebRTC peer of which no sound and no ICE check comes for so long is closed.",
    )
    peers_connecting_max: int = Field(
        64, ge=1, le=10_000, description="WebRTC peers at once that are not connected yet; one more gets 503."
    )
    peers_per_address_max: int = Field(
        32, ge=1, le=10_000, description="WebRTC peers at once from one client address; one more gets 503."
    )

    @field_validator("ice_servers", "turn_urls", "public_addresses", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return parts(value)

    @field_validator("udp_port")
    @classmethod
    def _is_udp_port(cls, port: int) -> int:
        check_udp_port(port)
        return port

    @field_validator("udp_port_range")
    @classmethod
    def _is_port_range(cls, text: str, info: ValidationInfo) -> str:
        check_ports_of_workers(info.data.get("udp_port", 0), port_range(text), info.data.get("workers", 1))
        return text

    @field_validator("public_addresses")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(public_address(address) for address in addresses))

    @field_validator("ice_servers")
    @classmethod
    def _are_stun(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            check_stun_url(url)
        return urls

    @field_validator("turn_urls")
    @classmethod
    def _are_turn(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            check_turn_url(url)
        return urls

    @field_validator("turn_secret")
    @classmethod
    def _goes_with_turn_urls(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "turn_urls" not in info.data:  # wrong themselves, and told
            return secret
        if secret is not None and not secret.get_secret_value():
            raise ValueError("must not be empty")
        if info.data["turn_urls"] and secret is None:
            raise ValueError("turn_urls need it: without the secret no client gets credentials")
        if secret is not None and not info.data["turn_urls"]:
            raise ValueError("it is of no use without turn_urls")
        return secret


def parts(value: object) -> object:
    """Of a list as it is written in one line, with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def port_range(text: str) -> tuple[int, int] | None:
    """``40000-40100``, both ends included; None for an empty text. Raises ``ValueError``."""
    if not text:
        return None
    first_text, dash, last_text = text.partition("-")
    if not (dash and first_text.isdecimal() and last_text.isdecimal()):
        raise ValueError("write it as two ports with a dash between them, such as 40000-40100")
    first, last = int(first_text), int(last_text)
    if first > last:
        raise ValueError(f"the first port is above the last; write {last}-{first}")
    if first < PORT_MIN or last > 65535:
        raise ValueError(f"ports are from {PORT_MIN} to 65535")
    return first, last


def check_udp_port(port: int) -> None:
    """Raises ``ValueError``."""
    if port < PORT_MIN and port not in PORTS_BELOW:
        raise ValueError(f"of the ports below {PORT_MIN} browsers write to 80 and 443 only; 0 takes a free one")


def public_address(text: str) -> str:
    """The address as it is offered. Raises ``ValueError``."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("each must be an IPv4 or IPv6 address, without a port; names are not looked up") from None
    if address.is_unspecified or address.is_multicast or address.is_link_local or getattr(address, "scope_id", None):
        raise ValueError("each must be an address that clients can reach")
    return str(address)


def check_stun_url(url: str) -> None:
    """Raises ValueError, which says what is expected."""
    _check(_STUN, url, "stun:host, stun:host:port or stuns:host:port")


def check_turn_url(url: str) -> None:
    """Raises ValueError, which says what is expected."""
    _check(_TURN, url, "turn:host:port or turns:host:port, with ?transport=udp or ?transport=tcp or nothing")


def _check(pattern: re.Pattern[str], url: str, expected: str) -> None:
    match = pattern.fullmatch(url)
    if match is None or (match[1] is not None and not 1 <= int(match[1]) <= 65535):
        # Not echoed: a URL with a user and a password in it is one of the mistakes that are made here.
        raise ValueError(f"each URL must look like {expected}")
