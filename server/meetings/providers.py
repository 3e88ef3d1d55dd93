"""Who hosts meetings for this server: itself, and whom it has a key of."""

from __future__ import annotations

from server.meetings.builtin import Builtin
from server.meetings.provider import Provider
from server.meetings.whereby import Whereby
from server.settings import Settings
from server.store.meeting_records import Platform


def providers_of(settings: Settings) -> dict[Platform, Provider]:
    providers: dict[Platform, Provider] = {"builtin": Builtin()}
    if settings.whereby_api_key is not None:
        providers["whereby"] = Whereby(
            settings.whereby_api_key, settings.whereby_url, deadline_s=settings.whereby_deadline_s
        )
    return providers
