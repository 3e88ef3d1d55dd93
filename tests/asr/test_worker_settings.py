from __future__ import annotations

from pathlib import Path

import pytest

from asr.worker_settings import WorkerSettings


def test_settings_survive_the_command_line() -> None:
    settings = WorkerSettings(engine="scripted", models_dir=Path("/some/where"), memory_max_mb=512)
    assert WorkerSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"engine": "auto"}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of its subclasses
        WorkerSettings.from_json(text)
