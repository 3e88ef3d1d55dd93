from __future__ import annotations

from pathlib import Path

import pytest

from asr.worker_settings import TOLD_APART, WorkerSettings


def test_settings_survive_the_command_line() -> None:
    settings = WorkerSettings(engine="scripted", models_dir=Path("/some/where"), memory_max_mb=512)
    assert WorkerSettings.from_json(settings.to_json()) == settings


def test_a_token_is_not_on_the_command_line() -> None:
    settings = WorkerSettings(riva_token="open sesame")
    assert "sesame" not in settings.to_json()
    assert WorkerSettings.from_json(settings.to_json()).riva_token == TOLD_APART


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"engine": "auto"}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of its subclasses
        WorkerSettings.from_json(text)
