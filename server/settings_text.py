"""The settings described for people: for ``earshot config``, docs/settings.md and the sample file, from one source."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotated_types import Ge, Le
from pydantic import SecretStr

from server.settings import PREFIX, Settings

UNSET = "(none)"
MASKED = "********"


@dataclass(frozen=True, slots=True)
class Described:
    """One setting. ``default`` and ``bounds`` are text for people; ``bounds`` is empty when there are none."""

    name: str
    default: str
    bounds: str
    sentence: str
    toml: str

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    def shown(self, value: Any) -> str:
        return _text(value)


def described() -> list[Described]:
    """All settings, in the order of ``server/settings.py``."""
    found = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        found.append(
            Described(
                name, _text(default), _bounds(field.annotation, field.metadata), field.description or "", _toml(default)
            )
        )
    return found


def as_markdown() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "<!-- Made by `earshot config --markdown`; a test keeps it equal to server/settings.py. -->",
        "",
        "A setting is taken from, in this order: an option of `earshot serve` (`--port 9000`), the environment",
        "(`EARSHOT_PORT=9000`), `earshot.toml` in the working directory or the file that `EARSHOT_CONFIG` names",
        "(`port = 9000`), the default. An unknown name fails the start. `earshot config` shows what holds on a",
        "machine; `earshot config --sample` writes a commented `earshot.toml`.",
        "",
        "| setting | default | bounds | what it is |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{one.name}` | {_cell(one.default)} | {_cell(one.bounds) or ' '} | {_cell(one.sentence)} |"
        for one in described()
    ]
    return "\n".join(lines) + "\n"


def as_toml() -> str:
    """A sample ``earshot.toml``: everything there and commented out, so that it changes nothing until edited."""
    lines = ["# Settings of Earshot. What is commented out has its default.", ""]
    for one in described():
        bounds = f" ({one.bounds})" if one.bounds else ""
        lines += [f"# {one.sentence}{bounds}", f"# {one.name} = {one.toml}", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(value: Any) -> str:
    if value is None or value == ():
        return UNSET
    if isinstance(value, SecretStr):
        return MASKED
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _toml(value: Any) -> str:
    if value is None:
        return '""'
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, str | Path):
        return json.dumps(str(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(annotation: Any, metadata: list[Any]) -> str:
    choices = _choices(annotation)
    if choices:
        return ", ".join(choices)
    least = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    most = next((item.le for item in metadata if isinstance(item, Le)), None)
    if least is None and most is None:
        return ""
    if most is None:
        return f"at least {least:g}"
    return f"{_number(least)} to {_number(most)}"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choices(annotation: Any) -> tuple[str, ...]:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return tuple(choice for part in typing.get_args(annotation) for choice in _choices(part))
    return ()
