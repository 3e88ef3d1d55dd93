"""What a worker is told at its start: which of how many it is, where the others are, and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from server.settings import Settings


@dataclass(frozen=True)
class WorkerOrders:
    """``folder``: of the sockets of all workers, and of the inference processes that they share."""

    index: int
    folder: Path
    settings: Settings

    def to_json(self) -> bytes:
        """For a socket that nobody else reads: secrets are in it."""
        values = {name: _plain(getattr(self.settings, name)) for name in Settings.model_fields}
        return json.dumps({"index": self.index, "folder": str(self.folder), "settings": values}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> WorkerOrders:
        """The opposite of ``to_json``."""
        told: Mapping[str, Any] = json.loads(text)
        return cls(told["index"], Path(told["folder"]), Settings(**told["settings"]))


def settings_of(settings: Settings, index: int) -> Settings:
    """Those of one worker: it is a node like any other, with ports of its own."""
    changes: dict[str, object] = {"workers": 1}
    if settings.worker_port:
        changes["worker_port"] = settings.worker_port + index
    if settings.udp_port_range:
        changes["udp_port_range"] = part_of(settings.udp_port_range, index, settings.workers)
    elif settings.udp_port:
        changes["udp_port"] = settings.udp_port + index
    return settings.model_copy(update=changes)


def settings_of_all(settings: Settings) -> list[Settings]:
    """Those of each server process there will be."""
    if settings.workers == 1:
        return [settings]
    return [settings_of(settings, index) for index in range(settings.workers)]


def part_of(ports: str, index: int, count: int) -> str:
    """The ports of one of so many, as even as can be: ``40000-40004`` of two is ``40000-40001`` and ``40002-40004``."""
    first, last = (int(port) for port in ports.split("-"))
    size = last - first + 1
    return f"{first + size * index // count}-{first + size * (index + 1) // count - 1}"


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
