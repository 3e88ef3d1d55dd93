"""What we use of aiortc, aioice and pylibsrtp without their promise, and the releases in which it was read.

Of aioice, in ``guard``: ``Connection.get_component_candidates``, ``.data_received``, ``._local_username``,
``._protocols``, ``._queue``, ``._query_consent_task``, ``._closing``; ``StunProtocol.connection_made``,
``.connection_lost``, ``.datagram_received``, ``.local_candidate``, ``.transactions``; ``stun.parse_message``,
``Message.check_message_integrity``;
``candidate_foundation``, ``candidate_priority``, ``server_reflexive_candidate``; and in ``udp_ports``
``get_host_addresses``.

Of aiortc: ``RTCIceTransport._connection``, by which ``peer`` gets to aioice; ``ROUTER_NAMES`` of the DTLS transport and
``_ssrc`` of ``RTCRtpSender`` in ``receiver``, without which there is no sound, and in ``sender``, which needs also that
nothing in ``_send_rtp`` waits; ``DIRECT_NAMES`` in ``tap``, without
which sound comes by the router; ``__local_certificate`` of the DTLS transport and ``_create_ssl_context`` of the
certificate in ``ciphers``, without which peers with RSA certificates may not connect.

Of pylibsrtp, in ``srtp``: ``SRTP_NAMES`` of its session, and ``ffi`` and ``lib`` of its ``_binding``, without which
packets are opened by its own way.
"""

from __future__ import annotations

import functools
import importlib.metadata

import structlog

log = structlog.get_logger(__name__)

READ_IN = {"aiortc": (1, 16), "aioice": (0, 13), "pylibsrtp": (1, 0)}
"""Major and minor number."""
ROUTER_NAMES = ("_register_rtp_receiver", "_unregister_rtp_receiver", "_send_rtp")
DIRECT_NAMES = ("_rx_srtp",)
SRTP_NAMES = ("_srtp", "_cdata", "_buffer")


@functools.cache
def tell_unknown_releases() -> None:
    """Once, where others than those are installed; they are used all the same."""
    installed = {package: importlib.metadata.version(package) for package in READ_IN}
    if any(_numbers(installed[package]) != numbers for package, numbers in READ_IN.items()):
        log.warning("WebRTC was not tested with these releases", **installed)


@functools.cache
def is_read(package: str) -> bool:
    """Whether the release that is installed was read: where another might take what we give as something else."""
    return _numbers(importlib.metadata.version(package)) == READ_IN[package]


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
