"""What several doors let requests ask for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from server.doors.v1.asked import MadeFrom, epoch_s, json_body

MADE_FROM: TypeAdapter[datetime | None] = TypeAdapter(MadeFrom)


@pytest.mark.parametrize(
    "written", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T14:00:00+02:00", "2026-01-31 12:00"]
)
def test_a_moment_without_a_zone_is_in_utc(written: str) -> None:
    assert epoch_s(MADE_FROM.validate_python(written)) == datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def test_no_moment_is_none() -> None:
    assert epoch_s(MADE_FROM.validate_python(None)) is None


@pytest.mark.parametrize("written", ["1769860800", " 1.5e12", "-1", "yesterday", ""])
def test_a_number_is_no_moment(written: str) -> None:
    with pytest.raises(ValidationError):
        MADE_FROM.validate_python(written)


def test_the_farthest_moments_are_epoch_seconds_too() -> None:
    for written in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert isinstance(epoch_s(MADE_FROM.validate_python(written)), float)


def test_a_body_stands_alone_in_the_document() -> None:
    class Inner(BaseModel):
        text: str

    class Outer(BaseModel):
        inner: Inner

    body = json_body(Outer, file=True)["requestBody"]
    assert "$" not in json.dumps(body)
    assert body["content"]["application/json"]["schema"]["properties"]["inner"]["required"] == ["text"]
    assert body["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
    assert body["required"] is False
