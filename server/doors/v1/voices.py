"""What clients say of the voices that their sound mixes, with whatever brings it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError

from protocol.wire.stream import HowManySpeak
from server.doors.errors import validation_failed
from server.store.records import VoicesAsked

FIELDS = ("diarize", "speakers_expected", "max_speakers")


class WithVoices(HowManySpeak):
    """Part of a body."""

    diarize: bool | None = Field(
        default=None,
        description="Whether to tell voices apart; left out: where one microphone is heard and no speaker is named.",
    )

    @property
    def voices(self) -> VoicesAsked:
        return VoicesAsked(self.diarize, self.speakers_expected, self.max_speakers)


def voices_of(fields: Mapping[str, str]) -> VoicesAsked:
    """Of a form's text fields, or of a query; empty ones are none. Raises ``ValidationFailed``."""
    try:
        return WithVoices.model_validate({name: fields[name] for name in FIELDS if fields.get(name, "").strip()}).voices
    except ValidationError as error:
        raise validation_failed(error.errors(include_input=False, include_context=False)) from None
