"""Who may do what, and which pages may ask."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import EarshotError, Forbidden, NotAuthorised, NotFound
from server.accounts.credentials import holder, identify
from server.accounts.principal import OWN_THINGS, Attends, Principal, Scope, nobody
from server.accounts.resource import Kind, Resource
from server.auth import BY_ID, CHANGES, PUBLIC, SCOPES, Action, authorize, check_host, check_origin, host_of
from server.store.standing import ShareMode, Standing

TOKEN = "s3cret-token"


@pytest.mark.parametrize(
    ("headers", "subprotocols", "trusted"),
    [
        ({}, (), False),
        ({"authorization": f"Bearer {TOKEN}"}, (), True),
        ({"authorization": f"bearer  {TOKEN} "}, (), True),
        ({"authorization": f"Token {TOKEN}"}, (), True),
        ({"authorization": f"Basic {TOKEN}"}, (), False),
        ({"authorization": TOKEN}, (), False),
        ({"authorization": "Bearer "}, (), False),
        ({"authorization": f"Bearer {TOKEN}x"}, (), False),
        ({}, ("bearer", TOKEN), True),
        ({}, ("bearer", TOKEN + "x"), False),
        ({}, (TOKEN,), False),
        ({}, ("chat", TOKEN), False),
        ({}, ("bearer", "x", TOKEN), False),
    ],
)
def test_only_the_right_token_in_the_right_place_is_trusted(
    headers: dict[str, str], subprotocols: tuple[str, ...], trusted: bool
) -> None:
    assert identify(TOKEN, headers, subprotocols).trusted is trusted


def test_without_a_configured_token_everybody_is_trusted() -> None:
    assert identify(None, {}).trusted
    assert identify(None, {"authorization": "Bearer whatever"}).trusted


@given(st.text(), st.lists(st.text(), max_size=3))
def test_nothing_that_a_stranger_sends_is_trusted_or_raises(header: str, subprotocols: list[str]) -> None:
    if TOKEN not in header and TOKEN not in subprotocols:
        assert not identify(TOKEN, {"authorization": header}, subprotocols).trusted


@pytest.mark.parametrize("action", list(Action))
def test_a_stranger_may_do_only_what_is_public(action: Action) -> None:
    stranger = nobody()
    if action in PUBLIC | BY_ID:
        authorize(stranger, action)
    else:
        with pytest.raises(NotAuthorised):
            authorize(stranger, action)
        with pytest.raises(NotAuthorised):
            authorize(stranger, action, Resource(Kind.TRANSCRIPT, "some transcript", None))
    authorize(holder(), action)


def standing(owner: str | None, share_mode: ShareMode = "private", *, is_deleted: bool = False) -> Standing:
    return Standing(owner, share_mode, is_deleted)


def user(id_: str | None, *scopes: Scope, **options: Any) -> Principal:
    return Principal(id_ or "somebody", trusted=True, id=id_, scopes=frozenset(scopes) or OWN_THINGS, **options)


WAYS: dict[str, Principal] = {
    "nobody": nobody(),
    "nobody in public mode": nobody(public=True),
    "a bad token": nobody(refused="this token has expired"),
    "another": user("bert"),
    "a key that reads": user("bert", Scope.READ, key_id="k"),
    "a key of nobody": user(None, key_id="k"),
    "the owner": user("anna"),
    "a key of the owner that reads": user("anna", Scope.READ, key_id="k"),
    "a key of the owner that speaks": user("anna", Scope.SPEAK, key_id="k"),
    "an admin": user("root", *Scope),
}
ABOUT_A_THING = sorted(CHANGES | {Action.READ, Action.LISTEN, Action.JOIN})
STATES = [
    standing(owner, share_mode, is_deleted=is_deleted)
    for owner in ("anna", None)
    for share_mode in get_args(ShareMode)
    for is_deleted in (False, True)
]


def answer(principal: Principal, action: Action, kind: Kind, what: Standing | None) -> tuple[int, str, str]:
    """200, or how it is refused."""
    try:
        authorize(principal, action, Resource(kind, "id", what))
    except EarshotError as error:
        return error.http_status, error.message, str(error.details)
    return 200, "", ""


@pytest.mark.parametrize("who", WAYS)
@pytest.mark.parametrize("kind", list(Kind))
def test_what_one_may_not_read_answers_as_what_there_is_not(who: str, kind: Kind) -> None:
    principal = WAYS[who]
    for what in STATES:
        may_read = answer(principal, Action.READ, kind, what)[0] in (200, 403)
        for action in ABOUT_A_THING:
            found = answer(principal, action, kind, what)
            if not may_read and not (what.is_deleted and found[0] == 200):
                nothing = answer(principal, action, kind, None)
                assert found == nothing or (what.is_deleted and found[0] == 403), (action, what)
                assert nothing[0] == (401 if principal.refused or not (principal.trusted or principal.public) else 404)


def test_a_thing_is_its_owners_and_what_nobody_owns_is_whose_who_have_its_id() -> None:
    private, shared = standing("anna"), standing("anna", "semi-private")
    public, nobodys, binned = standing("anna", "public"), standing(None), standing("anna", is_deleted=True)
    read, change, restore = Action.READ, Action.CHANGE, Action.RESTORE
    for who, what, action, status in (
        ("the owner", private, change, 200),
        ("another", private, read, 404),
        ("another", shared, read, 200),
        ("another", shared, change, 403),
        ("another", public, read, 200),
        ("another", nobodys, change, 200),
        ("nobody", public, read, 200),
        ("nobody", public, change, 401),
        ("nobody", shared, read, 401),
        ("nobody", nobodys, read, 401),
        ("a bad token", public, read, 401),
        ("nobody in public mode", nobodys, change, 200),
        ("nobody in public mode", shared, read, 404),
        ("nobody in public mode", public, change, 401),
        ("the owner", binned, read, 404),
        ("the owner", binned, restore, 200),
        ("another", binned, restore, 404),
        ("an admin", binned, read, 404),
        ("an admin", private, change, 200),
        ("a key of the owner that reads", private, read, 200),
        ("a key of the owner that reads", private, change, 403),
        ("a key of the owner that speaks", private, Action.SPEAK, 200),
        ("a key of the owner that speaks", private, read, 403),
        ("a key that reads", private, change, 404),
    ):
        assert answer(WAYS[who], action, Kind.TRANSCRIPT, what)[0] == status, (who, what, action)
    # A key that nobody owns opens much: it is not whose who know its id.
    assert answer(WAYS["another"], Action.KEYS, Kind.API_KEY, nobodys)[0] == 404
    assert answer(WAYS["nobody in public mode"], Action.READ, Kind.ROOM, nobodys)[0] == 404


def test_every_action_says_which_scope_it_needs() -> None:
    assert set(SCOPES) | PUBLIC | BY_ID == set(Action)


@pytest.mark.parametrize("action", sorted(BY_ID))
def test_whoever_has_the_id_may_take_part_in_what_is_there(action: Action) -> None:
    for kind in (Kind.PROJECT, Kind.CONVERSATION):
        for owner in ("anna", None):
            authorize(nobody(), action, Resource(kind, "x", standing(owner)))
        for gone in (None, standing("anna", is_deleted=True)):
            with pytest.raises(NotFound):
                authorize(nobody(), action, Resource(kind, "x", gone))
        with pytest.raises(NotAuthorised):  # who shows a wrong token is not taken for somebody without one
            authorize(nobody(refused="wrong"), action, Resource(kind, "x", standing("anna")))


def test_projects_of_nobody_are_of_nobody_in_particular() -> None:
    """Their ids stand in links and codes, so that having one makes nobody their host."""
    project = Resource(Kind.PROJECT, "x", standing(None))
    authorize(user(None), Action.CHANGE, project)
    with pytest.raises(NotFound):
        authorize(user("bert"), Action.CHANGE, project)
    with pytest.raises(NotAuthorised):
        authorize(nobody(), Action.READ, project)


HOST = frozenset({Action.DEBUG_PAGE, Action.DEBUG})


@pytest.mark.parametrize("action", list(Action))
def test_what_is_the_hosts_is_refused_to_whoever_else_reaches_a_server_without_a_token(action: Action) -> None:
    anyone = identify(None, {}, address="192.0.2.7")
    if action in HOST:
        with pytest.raises(Forbidden, match="access_token"):
            authorize(anyone, action)
    else:
        authorize(anyone, action)
    authorize(identify(None, {}, address="127.0.0.1"), action)


def test_with_a_token_its_holder_is_the_host_wherever_they_are() -> None:
    authorize(identify(TOKEN, {"authorization": f"Bearer {TOKEN}"}, address="192.0.2.7"), Action.DEBUG)
    for headers in ({}, {"authorization": "Bearer wrong"}):
        with pytest.raises(NotAuthorised):
            authorize(identify(TOKEN, headers, address="127.0.0.1"), Action.DEBUG)


@pytest.mark.parametrize(
    ("address", "headers", "is_host"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.9.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.0.2.7", {}, False),
        ("10.0.0.1", {}, False),
        ("::ffff:192.0.2.7", {}, False),
        ("fe80::1%eth0", {}, False),
        ("0.0.0.0", {}, False),
        ("localhost", {}, False),
        ("", {}, False),
        (None, {}, False),
        # A proxy on this machine asks for strangers, and what it says of them is not believed.
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"x-real-ip": ""}, False),
        ("127.0.0.1", {"via": "1.1 proxy"}, False),
        ("192.0.2.7", {"x-forwarded-for": "127.0.0.1"}, False),
    ],
)
def test_without_a_token_only_this_machine_is_the_host(
    address: str | None, headers: dict[str, str], is_host: bool
) -> None:
    assert identify(None, headers, address=address).host is is_host


@given(st.text())
def test_any_text_as_an_address_is_taken_or_refused(address: str) -> None:
    identify(None, {}, address=address)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "earshot.example"),
        (None, None),
        ("https://earshot.example", "earshot.example"),
        ("http://earshot.example", "EARSHOT.example"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://friend.example", "earshot.example"),
    ],
)
def test_our_own_pages_and_allowed_ones_may_ask(origin: str | None, host: str | None) -> None:
    check_origin(origin, host, ("https://friend.example",))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "https://earshot.example.evil.example",
        "https://evilearshot.example",
        "https://sub.earshot.example",
        "https://earshot.example:444",
        "https://earshot.example@evil.example",
        "https://earshot.example/path",
        "file://earshot.example",
        "https://friend.example.evil.example",
        "http://friend.example",
        "https://[::1",
        "https://earshot.example:99999999",
    ],
)
def test_pages_of_other_sites_may_not(origin: str) -> None:
    with pytest.raises(Forbidden):
        check_origin(origin, "earshot.example", ("https://friend.example",))


@given(st.text())
def test_any_text_as_an_origin_is_taken_or_refused(origin: str) -> None:
    try:
        check_origin(origin, "earshot.example", ())
    except Forbidden:
        return
    assert "earshot.example" in origin.lower()


@pytest.mark.parametrize(
    "host",
    [
        None,
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:8000",
        "192.168.1.20:8000",
        "[fd00::5]:80",
        "earshot.lan",
        "Earshot.LAN.:8000",
        "friend.example",
    ],
)
def test_addresses_loopback_and_named_hosts_are_ours(host: str | None) -> None:
    check_host(host, ("earshot.lan", host_of("https://friend.example:8443")))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "earshot.lan.evil.example",
        "[evil.example]",
        "sub.earshot.lan",
        "127.0.0.1@evil.example",
    ],
)
def test_a_name_that_a_stranger_points_here_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="allowed_hosts"):
        check_host(host, ("earshot.lan",))


@given(st.text())
def test_any_text_as_a_host_is_taken_or_refused(host: str) -> None:
    with contextlib.suppress(Forbidden):
        check_host(host, (host_of(host),))


def test_who_takes_part_may_besides_do_what_anybody_may() -> None:
    guest = Principal("participant", False, scopes=frozenset({Scope.READ}), attends=Attends("par", "m", "t"))
    cases: tuple[tuple[ShareMode, tuple[Kind, ...]], ...] = (
        ("private", ()),
        ("public", (Kind.TRANSCRIPT, Kind.MEETING, Kind.ROOM)),
    )
    for share_mode, kinds in cases:
        for kind, id_ in ((Kind.TRANSCRIPT, "t"), (Kind.MEETING, "x"), (Kind.ROOM, "r")):
            standing = Standing("anna", share_mode)
            with contextlib.nullcontext() if kind in kinds else pytest.raises(NotAuthorised):
                authorize(guest, Action.READ, Resource(kind, id_, standing))
            with pytest.raises(NotAuthorised, match="in its meeting"):
                authorize(guest, Action.CHANGE, Resource(kind, id_, standing))
    authorize(guest, Action.LISTEN, Resource(Kind.TRANSCRIPT, "t", Standing("anna")))
    with pytest.raises(NotAuthorised):
        authorize(guest, Action.LISTEN, Resource(Kind.TRANSCRIPT, "t", Standing("anna", is_deleted=True)))
