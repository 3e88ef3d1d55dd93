from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from asr.engines.riva_link import find_riva
from asr.worker_settings import WorkerSettings
from tests.fakes.riva_server import RivaServer


@pytest.fixture
def server() -> Iterator[RivaServer]:
    with RivaServer(languages=("en-US", "de-DE"), token="open sesame") as server:
        yield server
    gc.collect()  # gRPC's own thread ends with the last channel


def settings(server: RivaServer, **changes: Any) -> WorkerSettings:
    return WorkerSettings(**{"riva_url": server.address, "riva_token": "open sesame", **changes})


def test_a_look_says_what_is_there_and_leaves_nothing(server: RivaServer) -> None:
    found = find_riva(settings(server))
    assert (found.trouble, found.languages) == ("", ("en-US", "de-DE"))
    assert found.models == ("conformer-en-US", "conformer-de-DE", "offline")
    assert (server.silences, server.asked) == (1, [])


def test_a_look_says_what_is_the_matter(server: RivaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "riva_token" in find_riva(settings(server, riva_token="")).trouble
    server.refuses = grpc.StatusCode.UNIMPLEMENTED
    assert "no server of Riva" in find_riva(settings(server)).trouble
    server.refuses = grpc.StatusCode.FAILED_PRECONDITION
    assert find_riva(settings(server)).trouble == "answers FAILED_PRECONDITION: as it was told"
    server.refuses, server.languages = None, ("fr-FR",)
    assert "INVALID_ARGUMENT: no model for en-US" in find_riva(settings(server)).trouble
    monkeypatch.setattr("asr.engines.riva_link.LOOK_DEADLINE_S", 0.2)
    server.is_deaf = True
    assert find_riva(settings(server)).trouble == "does not answer within 0.2 s"
    server.stop()
    assert find_riva(settings(server)).trouble == "cannot be reached"


def test_a_refusal_that_comes_while_sound_is_sent_is_told_all_the_same(
    server: RivaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr.engines.riva_link.REFUSED_WITHIN_S", 0.001)  # about as long as the answer takes
    server.refuses = grpc.StatusCode.UNIMPLEMENTED
    assert {find_riva(settings(server)).trouble for _ in range(50)} == {"is no server of Riva's speech recognition"}
