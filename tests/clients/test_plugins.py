"""LiveKit Agents' and Pipecat's speech-to-text classes, made as documented: the address is all that is told."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.hearing import TAIL_S, TEXT, TOKEN, Hearing, hearing, run, sentence_of
from tests.fakes.documented import documented
from tests.fakes.leaks import no_task_left, no_thread_left

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

CLIENTS = Path(__file__).with_name("plugins")
PAUSE_S = 2.5  # more than any of them waits for, so that the end is heard
Told = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def python() -> str:
    """Of the virtual environment in which they are."""
    folder = Path(os.environ.get("EARSHOT_PLUGINS", ""))
    if not (folder / "complete").is_file():
        pytest.skip("EARSHOT_PLUGINS names no virtual environment made by tests/clients/plugins/requirements.lock")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module", autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Asked once of the whole file: a server that is shared keeps some between the tests."""
    with no_thread_left():
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def no_leaked_tasks() -> AsyncIterator[None]:
    with no_task_left():
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    python: str, no_leaked_tasks: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Hearing]:
    async with hearing(tmp_path_factory.mktemp("server")) as server:
        yield server


async def told_to(server: Hearing, python: str, name: str, folder: Path) -> Told:
    """What each class that the document makes tells of the sentence."""
    made = documented("clients.md", name).replace("localhost:8000", server.url.partition("//")[2])
    (folder / "made.py").write_text(made.replace("your-key", TOKEN))
    said = sentence_of(folder, TEXT, PAUSE_S)
    ends_s = len(said.samples) / 16_000 - PAUSE_S + TAIL_S
    printed = await run(python, CLIENTS / f"{name}_client.py", said.path, folder / "made.py", str(ends_s))
    told: Told = json.loads(printed.splitlines()[-1])
    return {each: [(kind, text) for kind, text in events] for each, events in told.items()}


def kinds(events: list[tuple[str, str]]) -> list[str]:
    """In their order, those in a row once."""
    return [kind for at, (kind, _) in enumerate(events) if at == 0 or kind != events[at - 1][0]]


async def test_livekit(server: Hearing, python: str, tmp_path: Path) -> None:
    told = await told_to(server, python, "livekit", tmp_path)
    final = ("final_transcript", TEXT)
    assert told["files"] == told["live, recorded"] == [final]
    assert kinds(told["live"]) == ["start_of_speech", "interim_transcript", "final_transcript", "end_of_speech"]
    assert kinds(told["turns"])[:3] == ["start_of_speech", "interim_transcript", "end_of_speech"]
    assert told["turns"][-1] == final
    for events in (told["live"], told["turns"]):
        assert events.count(final) == 1
        assert all(TEXT.startswith(text) for kind, text in events if kind == "interim_transcript")


async def test_pipecat(server: Hearing, python: str, tmp_path: Path) -> None:
    told = await told_to(server, python, "pipecat", tmp_path)
    interim, final = "InterimTranscriptionFrame", ("TranscriptionFrame", TEXT)
    assert told["files"] == [final]
    assert kinds(told["live"]) == kinds(told["commits"]) == [interim, "TranscriptionFrame"]
    assert kinds(told["turns"])[:3] == [
        "ProposedUserStartedSpeakingFrame",
        interim,
        "ProposedUserStoppedSpeakingFrame",
    ]
    for events in told.values():
        assert [text for kind, text in events if kind == "TranscriptionFrame"] == [TEXT]
    for events in (told["turns"], told["commits"]):
        pieces = [text for kind, text in events if kind == interim]
        assert len(pieces) > 1  # while it is said
        assert "".join(pieces) == TEXT
