"""The WHIP door: every status that RFC 9725 asks for, with aiortc at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from protocol.ids import new_transcript_id
from protocol.states import TranscriptState
from server.doors.whip import FRAGMENT, SDP
from server.services import Services
from server.settings import Settings
from tests.fakes.node import texts, wait_for_state, words_of
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.net.rtc_client import RtcClient

OFFERS = {"Content-Type": SDP}
SOUND = scripted_sound(sentence("alpha bravo charlie", 0.6), length_s=2.2)
PWD = "P2uYro0UCOQ4zxjKXaWCBui1"


@asynccontextmanager
async def an_offer(direction: str = "sendonly") -> AsyncIterator[str]:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio", direction=direction)
    await peer.setLocalDescription(await peer.createOffer())
    yield peer.localDescription.sdp
    await peer.close()


async def begun(client: httpx.AsyncClient, path: str) -> httpx.Response:
    async with an_offer() as sdp:
        response = await client.post(path, content=sdp, headers=OFFERS)
    assert response.status_code == 201, response.text
    return response


def code(response: httpx.Response) -> tuple[int, str]:
    assert set(response.json()["error"]) == {"code", "message", "details"}
    return response.status_code, response.json()["error"]["code"]


async def test_an_offer_is_answered_with_a_session_that_can_be_deleted(
    client: httpx.AsyncClient, services: Services
) -> None:
    id_ = (await services.store.create_transcript()).id
    answer = await begun(client, f"/whip/{id_}?speaker=Anna&track=desk-1&unknown=x&diarize=1&max_speakers=2")
    assert answer.headers["content-type"] == SDP
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("v=0")
    assert "a=recvonly" in answer.text
    assert "a=candidate:" in answer.text
    session = answer.headers["location"]
    assert session.startswith(f"/whip/{id_}/ses_")
    assert answer.headers["etag"].startswith('"')
    assert "link" not in answer.headers
    [track] = await services.store.tracks_of(id_)
    assert (track.speaker, track.name, track.source) == ("Anna", "desk-1", "webrtc")
    assert (track.diarize, track.max_speakers) == (True, 2)

    ended = await client.delete(session, headers={"If-Match": '"of another"'})
    assert (ended.status_code, ended.content) == (200, b"")
    await wait_for_state(services, id_, TranscriptState.ENDED)
    for request in (client.delete(session), client.patch(session)):
        assert code(await request) == (404, "NOT_FOUND")


async def test_each_post_that_names_a_speaker_is_a_source_of_its_own_also_at_once(
    client: httpx.AsyncClient, services: Services
) -> None:
    id_ = (await services.store.create_transcript()).id
    queries = ("?speaker=Anna", "?track=desk-1", "")
    answers = await asyncio.gather(*(begun(client, f"/whip/{id_}/{query}") for query in queries))
    assert len({answer.headers["location"] for answer in answers}) == 3
    assert len(await services.store.tracks_of(id_)) == 3
    async with an_offer() as sdp:
        for query in queries:
            refused = await client.post(f"/whip/{id_}{query}", content=sdp, headers=OFFERS)
            assert code(refused) == (409, "CONFLICT")
            assert "name a `track`" in refused.json()["error"]["message"]
    await client.delete(answers[0].headers["location"])
    assert code(await client.delete(answers[0].headers["location"])) == (404, "NOT_FOUND")
    await begun(client, f"/whip/{id_}?speaker=Anna")  # the place is free again
    for answer in answers[1:]:
        assert (await client.delete(answer.headers["location"])).status_code == 200


async def test_without_an_id_a_transcript_is_made_and_none_is_left_of_a_refused_offer(
    client: httpx.AsyncClient, services: Services
) -> None:
    for path in ("/whip", "/whip/"):
        location = (await begun(client, path)).headers["location"]
        assert (await client.get("/v1/transcripts/" + location.split("/")[2])).status_code == 200
        assert (await client.delete(location)).status_code == 200
    assert code(await client.post("/whip", content="v=0\r\nnonsense", headers=OFFERS)) == (400, "SDP_ERROR")
    assert (await client.get("/v1/transcripts/")).json()["total"] == 2


async def test_candidates_that_come_later_are_what_connects(client: httpx.AsyncClient, services: Services) -> None:
    id_ = (await services.store.create_transcript()).id
    patched: list[httpx.Response] = []

    async def exchange(sdp: str, _type: str) -> tuple[str, str]:
        """Neither side is told of the other's addresses but by PATCH: so it is us who must find the client."""
        lines = sdp.splitlines()
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        bare = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        answer = await client.post(f"/whip/{id_}", content="\r\n".join([*bare, ""]), headers=OFFERS)
        credentials = [line for line in bare if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))][:2]
        fragment = "\r\n".join([*credentials, "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", *candidates, ""])
        headers = {"Content-Type": FRAGMENT, "If-Match": answer.headers["etag"]}
        patched.append(await client.patch(answer.headers["location"], content=fragment, headers=headers))
        kept = [line for line in answer.text.splitlines() if not line.startswith(("a=candidate:", "a=end-of-c"))]
        return "\r\n".join([*kept, ""]), "answer"

    async with RtcClient(SOUND) as peer:
        await peer.connect(exchange)
        await peer.wait_message(lambda text: '"is_final":true' in text)
    assert (patched[0].status_code, patched[0].content) == (204, b"")
    assert "etag" not in patched[0].headers
    assert texts(await words_of(services, id_)) == "alpha bravo charlie"


async def test_a_client_that_goes_without_a_word_is_not_waited_for(tmp_path: Path) -> None:
    async with running_app(tmp_path, resume_grace_s=3600) as node:
        id_ = await node.new_transcript()

        async def exchange(sdp: str, _type: str) -> tuple[str, str]:
            return (await node.http.post(f"/whip/{id_}", content=sdp, headers=OFFERS)).text, "answer"

        async with RtcClient(SOUND) as peer:
            await peer.connect(exchange)
            await peer.sent()
        await wait_for_state(node.services, id_, TranscriptState.ENDED)
        assert texts(await words_of(node.services, id_)) == "alpha bravo charlie"


async def test_patches_that_cannot_be_done(client: httpx.AsyncClient, services: Services, settings: Settings) -> None:
    id_ = (await services.store.create_transcript()).id
    answer = await begun(client, f"/whip/{id_}")
    session, tag = answer.headers["location"], answer.headers["etag"]
    good = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host"
    restart = f"a=ice-ufrag:ysXw\r\na=ice-pwd:{PWD}\r\n{good}\r\n"
    many = "\r\n".join(good.replace("61764", str(20_000 + i)) for i in range(51))
    for sent, body, wanted in (
        ({"Content-Type": SDP, "If-Match": tag}, good, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ({"If-Match": tag}, good, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ({"Content-Type": FRAGMENT}, good, (428, "PRECONDITION_REQUIRED")),
        ({"Content-Type": FRAGMENT, "If-Match": '"other"'}, good, (412, "PRECONDITION_FAILED")),
        ({"Content-Type": FRAGMENT, "If-Match": f"W/{tag}"}, good, (412, "PRECONDITION_FAILED")),
        ({"Content-Type": FRAGMENT, "If-Match": tag.strip('"')}, good, (412, "PRECONDITION_FAILED")),
        ({"Content-Type": FRAGMENT, "If-Match": tag}, "", (400, "SDP_ERROR")),
        ({"Content-Type": FRAGMENT, "If-Match": tag}, "nonsense", (400, "SDP_ERROR")),
        ({"Content-Type": FRAGMENT, "If-Match": tag}, "a=\xff".encode("latin-1"), (400, "INVALID_MESSAGE")),
        ({"Content-Type": FRAGMENT, "If-Match": tag}, good * settings.sdp_max_bytes, (413, "TOO_LARGE")),
        ({"Content-Type": FRAGMENT, "If-Match": tag}, many, (413, "TOO_LARGE")),
        ({"Content-Type": FRAGMENT, "If-Match": "*"}, restart, (422, "NOT_SUPPORTED")),
        ({"Content-Type": FRAGMENT, "If-Match": tag}, restart, (422, "NOT_SUPPORTED")),
    ):
        response = await client.patch(session, content=body, headers=sent)
        assert code(response) == wanted, (sent, body[:60])
        if wanted[0] == 415:
            assert response.headers["accept-patch"] == FRAGMENT
    # None of them has ended the session.
    for match in ("*", f'"a", {tag}'):
        headers = {"Content-Type": f"{FRAGMENT.upper()}; charset=utf-8", "If-Match": match}
        assert (await client.patch(session, content="a=end-of-candidates", headers=headers)).status_code == 204
    other = (await services.store.create_transcript()).id
    assert code(await client.delete(session.replace(id_, other))) == (404, "NOT_FOUND")
    assert (await client.delete(session)).status_code == 200


async def test_offers_that_cannot_be_answered(client: httpx.AsyncClient, services: Services) -> None:
    id_ = (await services.store.create_transcript()).id
    path = f"/whip/{id_}"
    async with an_offer() as sdp, an_offer("recvonly") as mute:
        for target, headers, body, wanted in (
            (path, {}, sdp, (415, "UNSUPPORTED_MEDIA_TYPE")),
            (path, {"Content-Type": "application/json"}, sdp, (415, "UNSUPPORTED_MEDIA_TYPE")),
            (path, {**OFFERS, "Accept": "application/json, text/*"}, sdp, (406, "NOT_ACCEPTABLE")),
            (path, {**OFFERS, "Accept": "application/sdp;q=0"}, sdp, (406, "NOT_ACCEPTABLE")),
            (path, OFFERS, "", (400, "SDP_ERROR")),
            (path, OFFERS, mute, (400, "SDP_ERROR")),
            (path, OFFERS, "v=0\r\n" * 100_000, (413, "TOO_LARGE")),
            (path + "?language=not-a-language!", OFFERS, sdp, (422, "VALIDATION_ERROR")),
            (path + "?track=../x", OFFERS, sdp, (422, "VALIDATION_ERROR")),
            (f"/whip/{new_transcript_id()}", OFFERS, sdp, (404, "NOT_FOUND")),
            ("/whip/not-an-id", OFFERS, sdp, (404, "NOT_FOUND")),
        ):
            response = await client.post(target, content=body, headers=headers)
            assert code(response) == wanted, (target, headers, body[:60])
            if wanted[0] == 415:
                assert response.headers["accept-post"] == SDP
        for accept in ("*/*", "application/*", "text/html, Application/SDP;q=0.5", ""):
            response = await client.post(path, content=sdp, headers={**OFFERS, "Accept": accept})
            assert response.status_code == 201, accept
            await client.delete(response.headers["location"])


async def test_ten_megabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        response = await node.http.post(f"/whip/{id_}", content=b"v" * 10_000_000, headers=OFFERS)
        assert code(response) == (413, "TOO_LARGE")


async def test_reserved_methods_name_those_that_are_taken(client: httpx.AsyncClient, services: Services) -> None:
    id_ = (await services.store.create_transcript()).id
    for path, refused, allowed in (
        ("/whip", ("GET", "HEAD", "PUT", "PATCH", "DELETE"), "POST, OPTIONS"),
        (f"/whip/{id_}", ("GET", "HEAD", "PUT", "PATCH", "DELETE"), "POST, OPTIONS"),
        (f"/whip/{id_}/ses_0", ("GET", "HEAD", "PUT", "POST"), "PATCH, DELETE, OPTIONS"),
    ):
        for method in refused:
            response = await client.request(method, path, headers={"Accept": "text/html"})
            assert (response.status_code, response.headers["allow"]) == (405, allowed), (method, path)
        told = await client.options(path)
        assert (told.status_code, told.headers["allow"]) == (200, allowed)
    assert (await client.options("/whip")).headers["accept-post"] == SDP
    assert (await client.options(f"/whip/{id_}/ses_0")).headers["accept-patch"] == FRAGMENT


async def test_a_full_node_says_when_to_come_back(tmp_path: Path) -> None:
    async with running_app(tmp_path, sessions_max=1) as node:
        first = (await begun(node.http, "/whip")).headers["location"]
        async with an_offer() as sdp:
            for path in ("/whip", "/".join(first.split("/")[:3]) + "?track=another"):
                refused = await node.http.post(path, content=sdp, headers=OFFERS)
                assert code(refused) == (503, "OVERLOADED")
                assert int(refused.headers["retry-after"]) >= 1
        assert (await node.http.get("/v1/transcripts/")).json()["total"] == 1
        assert (await node.http.delete(first)).status_code == 200
        node.app.state.leaving.draining = True
        async with an_offer() as sdp:
            assert code(await node.http.post("/whip", content=sdp, headers=OFFERS)) == (503, "DRAINING")


async def test_an_address_with_too_many_peers_waits(tmp_path: Path) -> None:
    async with running_app(tmp_path, peers_per_address_max=1) as node:
        await begun(node.http, "/whip")
        async with an_offer() as sdp:
            refused = await node.http.post("/whip", content=sdp, headers=OFFERS)
        assert code(refused) == (503, "TOO_MANY_PEERS")
        assert int(refused.headers["retry-after"]) >= 1


async def test_a_page_of_an_allowed_origin_may_do_all_of_it(tmp_path: Path) -> None:
    origin = {"Origin": "https://friend.example"}
    async with running_app(tmp_path, allowed_origins="https://friend.example") as node:
        wanted = "authorization,content-type,if-match"
        for method in ("POST", "PATCH", "DELETE"):
            asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}
            assert (await node.http.options("/whip", headers={**origin, **asked})).status_code == 200, method
        async with an_offer() as sdp:
            answer = await node.http.post("/whip", content=sdp, headers={**OFFERS, **origin})
        exposed = answer.headers["access-control-expose-headers"]
        assert {"ETag", "Location", "Link"} <= {name.strip() for name in exposed.split(",")}
        assert (await node.http.delete(answer.headers["location"], headers=origin)).status_code == 200


async def test_ice_servers_are_named_each_in_a_header_of_its_own(tmp_path: Path) -> None:
    turn = "turn:c.example:3478?transport=udp"
    async with running_app(tmp_path / "stun", ice_servers="stun:a.example:3478,stun:b.example") as node:
        links = (await node.http.options("/whip")).headers.get_list("link")
        assert links == ['<stun:a.example:3478>; rel="ice-server"', '<stun:b.example>; rel="ice-server"']
    async with running_app(tmp_path / "turn", turn_urls=turn, turn_secret="shared") as node:
        answer = await begun(node.http, "/whip")
        [link] = answer.headers.get_list("link")
        assert link.startswith(f'<{turn}>; rel="ice-server"; username="')
        assert link.endswith('; credential-type="password"')
        assert answer.headers["cache-control"] == "no-store"


LINES = st.sampled_from(["", "a=candidate:", "a=ice-ufrag:x", "a=sendrecv", "m=audio 9 RTP/AVP 0", "\udcff", "\0"])
CHANGES = st.lists(st.tuples(st.integers(0, 60), LINES | st.text(max_size=30)), min_size=1, max_size=4)


async def test_no_offer_or_fragment_makes_a_500(client: httpx.AsyncClient, services: Services) -> None:
    """Random changes of good ones: a line is replaced by another, the rest stays."""
    loop = asyncio.get_running_loop()
    id_ = (await services.store.create_transcript()).id
    session = await begun(client, f"/whip/{id_}")
    other = (await services.store.create_transcript()).id  # where nobody records yet
    seen: set[int] = set()

    async def send(offer: str, changes: list[tuple[int, str]]) -> None:
        lines = offer.splitlines()
        for place, line in changes:
            lines[place % len(lines)] = line
        body = "\r\n".join([*lines, ""]).encode("utf-8", "surrogatepass")
        answer = await client.post(f"/whip/{other}", content=body, headers=OFFERS)
        if answer.status_code == 201:
            await client.delete(answer.headers["location"])
        headers = {"Content-Type": FRAGMENT, "If-Match": session.headers["etag"]}
        body = b"\r\n".join(line for line in body.split(b"\r\n") if line[:2] in (b"m=", b"a="))
        patched = await client.patch(session.headers["location"], content=body, headers=headers)
        seen.update((answer.status_code, patched.status_code))

    async with an_offer() as offer:

        @hypothesis_settings(max_examples=40)
        @given(CHANGES)
        def attempt(changes: list[tuple[int, str]]) -> None:
            asyncio.run_coroutine_threadsafe(send(offer, changes), loop).result(30)

        await asyncio.to_thread(attempt)
    # 404: the session never connects, and its time may be over before the last attempt.
    assert seen <= {201, 204, 400, 404, 413, 422}
    assert {201, 400, 422} <= seen
