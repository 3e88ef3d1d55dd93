"""What lies in deploy/, as tests read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.settings import NOT_SETTINGS, PREFIX, Settings, load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
NGINX = DEPLOY / "nginx" / "nginx.conf"
VARIABLE = re.compile(r"(?<!\$)\$\{([^}]*)\}")
Yaml = dict[str, Any]


def documents(path: Path) -> list[Yaml]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each is not None]


def assignments(path: Path) -> dict[str, str]:
    """The lines ``NAME=value`` of a file of environment variables."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """As Compose fills in ``${NAME:?why}``; and nothing else is taken, so that nothing has a default."""
    if isinstance(value, dict):
        return {key: filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, told, why = match[1].partition(":?")
        assert told, f"{match[0]} could be empty"
        assert why, f"{match[0]} does not say what to do"
        return known[name]

    return VARIABLE.sub(fill, value).replace("$$", "$")


def accepted(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a node with that environment. Raises ``SettingsError``, also for names that are no settings."""
    monkeypatch.setenv("EARSHOT_CONFIG", "/nonexistent/earshot.toml")
    for name in {PREFIX + name.upper() for name in Settings.model_fields} - NOT_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return load_settings()
