"""One pull at a time, whose progress can be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.errors import Conflict, EngineFailed, NotFound
from server.model_pulls import Fetch, ModelPulls, list_models
from tests.fakes.waiting import until


async def settled(pulls: ModelPulls) -> None:
    await until(lambda: pulls.progress is None or pulls.progress.state != "pulling")


async def no_reload() -> None:
    pass


async def test_progress_is_told_and_the_recogniser_is_told_when_it_is_there(tmp_path: Path) -> None:
    go = threading.Event()

    def fetch(name: str, folder: Path, tell: Callable[[int, int], None]) -> None:
        assert (name, folder) == ("tiny", tmp_path)
        tell(5, 10)
        assert go.wait(5)

    reloaded = []

    async def reload() -> None:
        reloaded.append(True)

    pulls = ModelPulls(tmp_path, fetch)
    assert pulls.begin("tiny", when_done=reload).state == "pulling"
    await until(lambda: pulls.progress_of("tiny").done_bytes > 0)
    assert pulls.progress_of("tiny").total_bytes == 10
    with pytest.raises(Conflict):
        pulls.begin("base", when_done=reload)
    with pytest.raises(NotFound):
        pulls.progress_of("base")
    go.set()
    await settled(pulls)
    assert (pulls.progress_of("tiny").state, reloaded) == ("done", [True])


@pytest.mark.parametrize(
    ("error", "message"),
    [(EngineFailed("the hub cannot be reached"), "the hub cannot be reached"), (ValueError("canary"), "log says why")],
)
async def test_a_failure_is_told_without_what_only_the_log_may_know(
    tmp_path: Path, error: Exception, message: str
) -> None:
    def fetch(_name: str, _folder: Path, _tell: Callable[[int, int], None]) -> None:
        raise error

    pulls = ModelPulls(tmp_path, fetch)
    pulls.begin("tiny", when_done=no_reload)
    await settled(pulls)
    progress = pulls.progress_of("tiny")
    assert progress.state == "failed"
    assert message in progress.message
    assert "canary" not in progress.message
    # And another try is open.
    succeed: Fetch = lambda *_: None  # noqa: E731
    pulls._fetch = succeed
    pulls.begin("tiny", when_done=no_reload)
    await settled(pulls)
    assert pulls.progress_of("tiny").state == "done"
    await pulls.stop()


def test_the_catalogue_says_what_is_here(tmp_path: Path) -> None:
    models = list_models(tmp_path)
    assert any(model["present"] for model in models)
    assert len({model["name"] for model in models}) == len(models)
