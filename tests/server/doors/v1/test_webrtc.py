"""The WebRTC door: descriptions over REST, a real peer at the other end."""

from __future__ import annotations

import httpx
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from protocol.ids import new_transcript_id
from server.settings import Settings


async def test_an_offer_is_answered_and_ours_can_be_answered(client: httpx.AsyncClient) -> None:
    id_ = (await client.post("/v1/transcripts/")).json()["id"]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio", direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    for path, track in ((f"/v1/transcripts_webrtc/{id_}/offer", None), (f"/v1/transcripts/{id_}/record/webrtc/", "b")):
        response = await client.post(path, json={"sdp": peer.localDescription.sdp, "type": "offer", "track": track})
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        assert set(response.json()) == {"sdp", "type", "session_id", "resume_token"}
        assert response.json()["type"] == "answer"
    await peer.close()

    id_ = (await client.post("/v1/transcripts/")).json()["id"]
    ours = (await client.post(f"/v1/transcripts_webrtc/{id_}/offer")).json()
    assert ours["type"] == "offer"
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(AudioStreamTrack())
    await peer.setRemoteDescription(RTCSessionDescription(ours["sdp"], "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    answer = {"sdp": peer.localDescription.sdp, "type": "answer", "session_id": ours["session_id"]}
    response = await client.post(f"/v1/transcripts_webrtc/{id_}/answer", json=answer)
    await peer.close()
    assert response.status_code == 200, response.text
    unknown = await client.post(f"/v1/transcripts_webrtc/{id_}/answer", json={**answer, "session_id": "ses_no"})
    assert unknown.status_code == 404


async def test_descriptions_that_are_none(client: httpx.AsyncClient, settings: Settings) -> None:
    id_ = (await client.post("/v1/transcripts/")).json()["id"]
    path = f"/v1/transcripts_webrtc/{id_}/offer"
    assert (await client.post(path, json={"sdp": "nonsense"})).json()["error"]["code"] == "SDP_ERROR"
    assert (await client.post(path, json={"sdp": "v=0\r\n" * 20_000})).status_code == 413
    assert (await client.post(path, content=b"x" * 10 * settings.sdp_max_bytes)).status_code == 413
    assert (await client.post(path, json={"sdp": "x", "type": "answer"})).status_code == 422
    for incomplete in ({"sdp": None}, {"sdp": ""}, {"type": "offer"}, {"sdp": None, "type": "offer"}):
        refused = await client.post(path, json=incomplete)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), incomplete
        assert "sdp is missing" in refused.text
    for empty in (b"", b'{"track": "b"}'):
        assert (await client.post(path, content=empty)).json()["type"] == "offer"
    assert (await client.post(path, json={"sdp": "x", "resume_token": "never"})).status_code == 400
    assert (await client.post(path, json={"resume_token": "never"})).status_code == 409
    assert (await client.post(f"/v1/transcripts_webrtc/{new_transcript_id()}/offer", json={})).status_code == 404
    assert (await client.post(f"/v1/transcripts_webrtc/{id_}/answer", json={})).status_code == 422
