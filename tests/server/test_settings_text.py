from __future__ import annotations

import tomllib

from server.settings import Settings
from server.settings_text import MASKED, UNSET, as_markdown, as_toml, described


def test_every_setting_is_described_with_a_sentence() -> None:
    found = described()
    assert [one.name for one in found] == list(Settings.model_fields)
    assert all(one.sentence.endswith(".") for one in found)


def test_bounds_and_choices_are_words() -> None:
    bounds = {one.name: one.bounds for one in described()}
    assert bounds["port"] == "0 to 65535"
    assert bounds["session_max_s"] == "at least 1"
    assert bounds["log_level"] == "debug, info, warning, error"
    assert bounds["host"] == ""


def test_secrets_are_masked() -> None:
    settings = Settings(access_token="hush", database_url="postgresql+asyncpg://me:hush@host/db")
    shown = {one.name: one.shown(getattr(settings, one.name)) for one in described()}
    assert shown["access_token"] == shown["database_url"] == MASKED
    assert shown["ice_servers"] == UNSET


def test_the_sample_changes_nothing_and_is_toml_when_uncommented() -> None:
    sample = as_toml()
    assert tomllib.loads(sample) == {}
    lines = [line.removeprefix("# ") for line in sample.splitlines() if " = " in line]
    values = tomllib.loads("\n".join(lines))
    assert list(values) == list(Settings.model_fields)
    given = {name: value for name, value in values.items() if value != ""}
    assert Settings(**given) == Settings()


def test_the_document_has_a_row_for_each() -> None:
    text = as_markdown()
    assert all(f"| `{one.name}` |" in text for one in described())
