from __future__ import annotations

import time

from server.settings import Settings
from server.turn import IceServer, ice_servers, link_headers, own_stun, turn_credential

TURN = ("turn:turn.example.org:3478", "turns:turn.example.org:443?transport=tcp")


def test_a_credential_is_what_the_turn_server_computes() -> None:
    # printf %s 1893456000:anna | openssl dgst -sha1 -hmac north -binary | base64
    expected = ("1893456000:anna", "jrri/Mz+m+r/uk8dR6U59/hFA6w=")
    assert turn_credential("north", name="anna", expires_epoch_s=1_893_456_000) == expected


def test_each_client_gets_its_own_credential_for_so_long() -> None:
    settings = Settings(turn_urls=TURN, turn_secret="north", turn_credential_s=600, ice_servers="stun:stun.example.org")
    stun, first = ice_servers(settings)
    _, second = ice_servers(settings)
    assert stun == IceServer(("stun:stun.example.org",))
    assert first.urls == TURN
    assert first.username is not None
    assert first.username != second.username
    assert 590 < int(first.username.partition(":")[0]) - time.time() <= 600
    assert ice_servers(Settings()) == ()


def test_link_headers_say_the_same() -> None:
    servers = (IceServer(("stun:a.example.org",)), IceServer(TURN, "1:x", "c="))
    assert link_headers(servers) == (
        '<stun:a.example.org>; rel="ice-server"',
        *(f'<{url}>; rel="ice-server"; username="1:x"; credential="c="; credential-type="password"' for url in TURN),
    )


def test_our_own_side_asks_the_first_stun_server_it_can() -> None:
    assert own_stun(("stuns:a.example.org", "stun:[2001:db8::1]", "stun:b.example.org", "stun:c")) == (
        "stun:b.example.org",
    )
    assert own_stun(()) == ()
