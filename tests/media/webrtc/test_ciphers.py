"""A peer with an RSA certificate, as GStreamer makes, that waits for our DTLS."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from media.webrtc import peer as peer_module
from media.webrtc.ciphers import take_rsa_certificates
from media.webrtc.peer_contract import PeerSettings
from protocol.states import SessionState
from tests.media.webrtc.conftest import Opened
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.rtc_client import RtcClient


class RsaCertificate(RTCCertificate):
    """With the ciphers that such a server can serve."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
        return context


async def connect(opened: Opened, settings: PeerSettings, *, timeout_s: float) -> Listening:
    listening = Listening()
    peer = opened(settings, listening)
    key: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with RtcClient(bytes(16_000)) as client:
        vars(client.pc)["_RTCPeerConnection__certificates"] = [RsaCertificate(key, generate_certificate(key))]

        async def exchange(sdp: str, type_: str) -> tuple[str, str]:
            answer, answer_type = await peer.answer(sdp.replace("a=setup:actpass", "a=setup:passive"), type_)
            assert "a=setup:active" in answer
            return answer, answer_type

        await client.connect(exchange, timeout_s=timeout_s)
        await peer.close("done")
    return listening


async def test_its_certificate_is_taken(opened: Opened) -> None:
    listening = await connect(opened, LOCAL, timeout_s=10.0)
    assert listening.states[0][0] is SessionState.LIVE


async def test_upstream_still_does_not_take_it(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "take_rsa_certificates", lambda _: None)
    with pytest.raises(TimeoutError):
        await connect(opened, LOCAL, timeout_s=1.5)


def test_without_the_private_names_others_are_served_all_the_same() -> None:
    transport: Any = object()
    with capture_logs() as lines:
        take_rsa_certificates(transport)
    assert [line["log_level"] for line in lines] == ["warning"]
