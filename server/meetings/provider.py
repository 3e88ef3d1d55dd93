"""What somebody who hosts meetings must be able to do. The rest of the house knows providers by this alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from protocol.errors import ValidationFailed
from server.store.meeting_records import Meeting, Platform, Room

# What a room's settings may be with each provider; the first is the default.
CHOICES: Mapping[Platform, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # Every participant's sound comes here and is transcribed; "none" keeps the words alone.
        "builtin": {
            "recording_type": ("local", "none"),
            "recording_trigger": ("automatic",),
            "room_mode": ("normal", "group"),
        },
        "whereby": {
            "recording_type": ("cloud", "local", "none"),
            "recording_trigger": ("automatic-2nd-participant", "automatic", "prompt", "none"),
            "room_mode": ("normal", "group"),
        },
    }
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A meeting as its provider opened it. ``room_url`` is where people go, relative where that is this server."""

    room_url: str
    host_room_url: str | None = field(default=None, repr=False)
    provider_id: str | None = None


class Provider(Protocol):
    """Raises ``ProviderFailed`` and ``ProviderUnavailable`` where it is somebody else's."""

    @property
    def has_sound(self) -> bool:
        """Whether participants' sound passes through this server, so that it knows who is there."""
        ...

    async def create(self, room: Room, ends_at: float) -> Opened:
        """Open a meeting in ``room`` until ``ends_at`` (epoch seconds)."""
        ...

    def link(self, meeting: Meeting, name: str) -> str:
        """Where the participant of that name goes."""
        ...

    async def end(self, provider_id: str) -> None:
        """End what ``create`` opened. Idempotent."""
        ...

    async def stop(self) -> None: ...


def chosen(platform: Platform, wanted: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a room with that provider: what is wanted, else what was there, else the default.

    Raises ``ValidationFailed`` for what is wanted and cannot be had.
    """
    settings: dict[str, Any] = dict(before)
    for name, possible in CHOICES[platform].items():
        value = wanted.get(name)
        if value is None:
            settings[name] = before[name] if before.get(name) in possible else possible[0]
        elif value in possible:
            settings[name] = value
        else:
            raise ValidationFailed(
                f"{name} cannot be {value} in a room of platform {platform}; possible: {', '.join(possible)}",
                details={"field": name, "platform": platform, "possible": list(possible)},
            )
    if wanted.get("skip_consent") is not None:
        settings["skip_consent"] = bool(wanted["skip_consent"])
    return settings
