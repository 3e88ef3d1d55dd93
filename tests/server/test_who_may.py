"""Every route and socket, asked by nobody, by another user, by one it is shared with, by its owner and by an admin.

What a route should answer to whom follows from its action alone (``OF_A_THING``, ``OF_NOTHING``). A route that is not
in ``ROUTES``, an action that has no row there and a parameter that no thing is made for fail here.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.app import build_app
from server.auth import Action
from server.blob_urls import PREFIX
from server.doors.access import Entry
from server.meetings.provider import chosen
from server.store.bot_tables import bots
from server.store.job_tables import summary_jobs
from server.store.project_tables import conversations, projects, webhooks
from server.store.tables import api_keys, jobs, meetings, rooms, transcripts
from server.store.voice_tables import enrolled_voices
from tests.fakes.calls import twilio_call
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.node import node_settings
from tests.fakes.running_app import RunningApp, running_app
from tests.server.routes import OF_OTHERS, ROUTES, path_of, routes_of

WHO = ("nobody", "stranger", "reader", "owner", "admin")
HEADERS = {
    "nobody": {},
    "stranger": bearer(token("bert")),
    "reader": bearer(token("bert")),  # the same person, asking for what is shared
    "owner": bearer(token("anna")),
    "admin": bearer(token("root", scope="admin")),
}
YES = 0  # let in, whatever comes of it

# Whom each action is refused, and how, in the order of WHO. A refusal says no more of a thing that the path names than
# of one that does not exist.
READING = (401, 404, YES, YES, YES)
CHANGING = (401, 404, 403, YES, YES)
SIGNED_IN = (401, YES, YES, YES, YES)
ADMINS = (401, 403, 403, 403, YES)
EVERYBODY = (YES,) * 5
OF_A_THING: dict[Action, tuple[int, ...]] = {
    **dict.fromkeys((Action.READ, Action.LISTEN, Action.JOIN), READING),
    **dict.fromkeys((Action.CHANGE, Action.DELETE, Action.RESTORE, Action.DESTROY), CHANGING),
    **dict.fromkeys((Action.UPLOAD, Action.SPEAK), CHANGING),
    **dict.fromkeys((Action.KEYS, Action.EXPORT), (401, 404, 404, YES, YES)),
    **dict.fromkeys((Action.PAGE, Action.TAKE_PART, Action.CONTRIBUTE), EVERYBODY),
}
# Nobody else has anything to do with a project, but to take part.
OF_A_PROJECT = dict.fromkeys((Action.READ, Action.CHANGE, Action.DELETE), (401, 404, 404, YES, YES))
# Nor with a summary, which is of who asked for it alone, or a voice that is enrolled.
OF_ONE_OWNER = {"project_id", "conversation_id", "summary_id", "voice_id"}
OF_NOTHING: dict[Action, tuple[int, ...]] = {
    **dict.fromkeys((Action.PAGE, Action.HEALTH, Action.DESCRIBE), EVERYBODY),
    **dict.fromkeys((Action.LIST, Action.CREATE, Action.ASK, Action.READ, Action.SPEAK, Action.READ_ENGINE), SIGNED_IN),
    Action.TALK: SIGNED_IN,
    **dict.fromkeys(
        (Action.CREATE_ROOM, Action.CREATE_PROJECT, Action.FIND_PATH, Action.ME, Action.TICKET, Action.KEYS), SIGNED_IN
    ),
    Action.ENROL: SIGNED_IN,
    **dict.fromkeys((Action.METRICS, Action.PULL_MODEL, Action.DEBUG), ADMINS),
    **dict.fromkeys((Action.DEBUG_PAGE, Action.PUT_BLOB, Action.DOWNLOAD, Action.TAKE_PART), EVERYBODY),
}
THINGS = (
    *("transcript_id", "room_id", "room_name", "meeting_id", "project_id", "conversation_id", "webhook_id", "key_id"),
    *("job_id", "summary_id", "bot_id", "recording_id", "voice_id"),
)
# Parameters that name no thing of anybody's by themselves.
ELSE = {
    "name",
    "job",  # whose status is told to everybody, as that of none to those whose it is not
    "session_id",
    "call_id",  # whose transcript's owner is asked for when it is found
    "page_id",
    "asset",
    "participant_id",
    "upload_id",
    "number",
    "topic_id",
    "tag_id",
    "delivery_id",
    "report_id",
    "chunk_id",
    "speaker",
    "key",
    "document",
}


@dataclass
class Things:
    """Anna's, by parameter: private ones, and those that are shared with everybody who is signed in."""

    private: dict[str, str]
    shared: dict[str, str]


async def make_things(node: RunningApp) -> Things:
    return Things(await made_things(node, "private"), await made_things(node, "semi-private"))


async def made_things(node: RunningApp, share_mode: str) -> dict[str, str]:
    async with node.services.store._write() as conn:
        ids = {parameter: str(uuid.uuid4()) for parameter in THINGS}
        transcript = {"name": "", "state": "idle", "language": "en", "last_seq": 0, "segments": 0, "words": 0}
        times = {"created_at": 1.0, "updated_at": 1.0}
        common = {"owner": "anna", "share_mode": share_mode}
        await conn.execute(sa.insert(transcripts).values(id=ids["transcript_id"], **transcript, **times, **common))
        room = {"name": ids["room_name"], "platform": "builtin", "is_locked": False, "language": "en"}
        await conn.execute(
            sa.insert(rooms).values(
                id=ids["room_id"], settings=json.dumps(chosen("builtin", {}, {})), **room, **times, **common
            )
        )
        meeting = {"owner": "anna", "platform": "builtin", "room_url": "", "state": "active", "created_at": 1.0}
        await conn.execute(
            sa.insert(meetings).values(
                id=ids["meeting_id"],
                room_id=ids["room_id"],
                transcript_id=ids["transcript_id"],
                starts_at=1.0,
                ends_at=2.0e9,
                **meeting,
            )
        )
        await conn.execute(sa.insert(transcripts).values(id=ids["job_id"], **transcript, **times, **common))
        job = {"model": "scripted", "diarize": True, "filename": "", "created_at": 1.0}
        await conn.execute(sa.insert(jobs).values(transcript_id=ids["job_id"], **job))
        await conn.execute(sa.insert(transcripts).values(id=ids["recording_id"], **transcript, **times, **common))
        bot = {"name": "", "metadata": "{}", "token_hash": uuid.uuid4().hex, "created_at": 1.0}
        await conn.execute(sa.insert(bots).values(id=ids["bot_id"], transcript_id=ids["recording_id"], **bot))
        project = {"owner": "anna", "name": "", "language": "en", "is_open": True, "portal": "{}"}
        await conn.execute(sa.insert(projects).values(id=ids["project_id"], **project, **times))
        await conn.execute(sa.insert(transcripts).values(id=ids["conversation_id"], **transcript, **times, **common))
        conversation: dict[str, object] = {
            "name": "",
            "tags": "[]",
            "source": "PORTAL_AUDIO",
            "created_at": 1.0,
            "seen_at": 1.0,
        }
        conversation |= {"redacts": False}
        await conn.execute(
            sa.insert(conversations).values(id=ids["conversation_id"], project_id=ids["project_id"], **conversation)
        )
        webhook: dict[str, object] = {"name": "", "url": "http://0.0.0.0/", "secret": "x", "events": "[]"}
        webhook |= {"project_id": ids["project_id"], "status": "draft"}
        await conn.execute(sa.insert(webhooks).values(id=ids["webhook_id"], **webhook, **times))
        summary = {"owner": "anna", "state": "completed", "body": "", "progress": 100, "attempts": 1}
        result = {"summary": "s", "topics": [], "length": 1, "model_used": "extractive"}
        await conn.execute(
            sa.insert(summary_jobs).values(id=ids["summary_id"], result=json.dumps(result), created_at=1.0, **summary)
        )
        voice = {"owner": "anna", "name": "", "encoder": "scripted", "dim": 1, "embedding": b"\0\x3c"}
        await conn.execute(
            sa.insert(enrolled_voices).values(
                id=ids["voice_id"], heard_samples=1, transcript_id=ids["transcript_id"], created_at=1.0, **voice
            )
        )
        key = {"owner": "anna", "name": "", "scopes": "read", "created_at": 1.0}
        await conn.execute(sa.insert(api_keys).values(id=ids["key_id"], hash=uuid.uuid4().hex, **key))
    return ids


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    options = {"auth_mode": "jwt", "jwt_secret": SecretStr(SECRET)}
    async with running_app(tmp_path, **options, api_keys_max=500, creations_per_minute=1000) as running:
        yield running


def named_in(template: str) -> set[str]:
    return set(re.findall(r"{(\w+)", template))


def filled(template: str, ids: dict[str, str]) -> str:
    for parameter in THINGS:
        template = template.replace("{" + parameter + "}", ids[parameter])
    return re.sub(r"{\w+}", "x", path_of(template))


def test_every_route_every_action_and_every_parameter_has_its_place(tmp_path: Path) -> None:
    app = build_app(node_settings(tmp_path))
    assert routes_of(app) == set(ROUTES)
    assert set(OF_A_THING) | set(OF_NOTHING) == set(Action)
    unknown = set().union(*(named_in(path) for _, path in ROUTES)) - set(THINGS) - ELSE
    assert not unknown, f"{unknown}: make such things here, and add what has an owner to accounts/resource.py"


def of_a_thing(app_entries: dict[tuple[str, str], bool], place: tuple[str, str]) -> bool:
    return app_entries.get(place, True) and bool(named_in(place[1]) & set(THINGS))


async def test_every_route_answers_everybody_as_its_action_says(node: RunningApp) -> None:
    loads = {
        (method, route.path): each.call.of_resource
        for route in node.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        for each in route.dependant.dependencies
        if isinstance(each.call, Entry)
    }
    things = await make_things(node)
    for place, action in sorted(ROUTES.items()):
        method, template = place
        is_thing = of_a_thing(loads, place)
        rules = OF_A_THING if is_thing else OF_NOTHING
        if named_in(template) & OF_ONE_OWNER:
            rules = rules | OF_A_PROJECT
        for who, wanted in zip(WHO, rules[action], strict=True):
            if method == "POST" and action is Action.PULL_MODEL and who == "admin":
                continue  # would fetch it
            ids = things.shared if who == "reader" else things.private
            found = await ask(node, method, filled(template, ids), who)
            where = f"{method} {template} by {who}: {found}"
            if wanted is YES:
                assert found[0] not in (401, 403, 500), where
                assert not (is_thing and found in (NOT_THERE["transcript_id"], NOT_THERE["key_id"])), where
            else:
                assert found[0] == wanted, where
            if is_thing and wanted in (401, 404):
                # Nobody learns whether it is there.
                unknown = {parameter: str(uuid.uuid4()) for parameter in THINGS}
                assert await ask(node, method, filled(template, unknown), who) == found, where
            if wanted is YES and is_thing and changes(method, action):
                if who == "reader":
                    things.shared = await made_things(node, "semi-private")
                else:
                    things.private = await made_things(node, "private")


NOT_THERE = {"transcript_id": (404, "no such transcript"), "key_id": (404, "no such API key")}


def changes(method: str, action: Action) -> bool:
    return method == "DELETE" or action in (Action.DELETE, Action.DESTROY, Action.RESTORE)


async def ask(node: RunningApp, method: str, path: str, who: str) -> tuple[int, str]:
    """The status, or what a socket's error says, and the message."""
    headers = HEADERS[who]
    body = None
    if path.startswith(PREFIX):  # where the address itself says who may
        body, headers = b"\0", {**headers, "Content-Type": "audio/webm"}
        path = node.services.blob_urls.put_url(
            path.removeprefix(PREFIX), content_type="audio/webm", length_max_bytes=1, expires_s=60
        )
    if method == "WS" and path in OF_OTHERS - {"/", "/vosk"}:
        return await ask_another_way(node, path, headers), ""
    if method == "WS":
        async with node.socket(path, additional_headers=headers) as socket:
            with contextlib.suppress(ConnectionClosed):
                await socket.send({"type": "keepalive"})  # which no speaking begins with, and no listener knows
            error = await socket.until("error")
            data = error.get("data") or error["error"]
            return STATUS.get(data["code"], 200), str(data["message"])
    response = await node.http.request(method, path, headers=headers, content=body)
    try:
        return response.status_code, str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):  # no JSON, or no error
        return response.status_code, ""


async def ask_another_way(node: RunningApp, path: str, headers: dict[str, str]) -> int:
    """Where errors are answers to the handshake, or where the credential comes in the first message."""
    shown = {"token": headers.get("Authorization", "").removeprefix("Bearer ")}
    try:
        async with node.socket(path, additional_headers={} if "telephony" in path else headers) as socket:
            for message in twilio_call({"inbound": bytes(160)}, shown):
                await socket.send(message)
            return {4001: 401, 4003: 403, 4004: 404, 1011: 500}.get((await socket.closed())[0], 200)
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return 401 if closed.rcvd is not None and closed.rcvd.code == 4001 else 200


STATUS = {"NOT_AUTHORISED": 401, "invalid_api_key": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "INTERNAL_ERROR": 500}
