"""DTLS with peers whose certificate is RSA.

aiortc offers ciphers for ECDSA certificates alone. GStreamer (up to 1.22, which Debian 12 has) makes RSA ones: where it
is the DTLS server, the handshake ends with "no shared cipher". RFC 8827 section 6.5 demands only ECDHE with AES-128-GCM
of everybody; these add the same, and ChaCha20, signed by RSA. Our own certificate stays ECDSA.
"""

from __future__ import annotations

from typing import Any

import structlog
from aiortc import RTCDtlsTransport

log = structlog.get_logger(__name__)

CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
)


def take_rsa_certificates(transport: RTCDtlsTransport) -> None:
    """Before the handshake, for all transports of the transport's connection: they share its certificate.

    Where aiortc has no longer the private names for it, the log says so, and peers with ECDSA are served.
    """
    certificate = getattr(transport, "_RTCDtlsTransport__local_certificate", None)
    make = getattr(certificate, "_create_ssl_context", None)
    if certificate is None or make is None:
        log.warning("this aiortc lets us choose no ciphers: peers with an RSA certificate may not connect")
        return

    def with_rsa(srtp_profiles: list[Any]) -> Any:
        context = make(srtp_profiles=srtp_profiles)
        context.set_cipher_list(CIPHERS)
        return context

    certificate._create_ssl_context = with_rsa
