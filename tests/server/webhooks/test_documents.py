"""docs/webhooks.md says what is sent, and its receiver takes it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from server.webhooks.payloads import BODY_MAX_BYTES, EVENTS
from server.webhooks.schedule import FIRST_PAUSE_S, LAST_PAUSE_S, TRIED_FOR_S
from server.webhooks.signing import headers_of

TEXT = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()


def table(name: str) -> list[str]:
    part = TEXT.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]
    return re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)


def headers(body: bytes, at_s: int) -> dict[str, str]:
    return headers_of("s" * 40, body, at_s=at_s, event="x", event_id="evt_1", delivery_id="dlv_1", attempt=1)


def test_every_event_and_every_header_of_ours_is_documented() -> None:
    assert table("events") == list(EVENTS)
    assert table("headers") == [name for name in headers(b"", 0) if name.startswith("X-")]


def test_numbers_are_those_of_the_code() -> None:
    assert (FIRST_PAUSE_S, LAST_PAUSE_S, TRIED_FOR_S) == (5, 3600, 24 * 3600)
    assert BODY_MAX_BYTES == 1 << 20


def test_the_receiver_that_is_shown_takes_what_is_genuine_alone() -> None:
    namespace: dict[str, Any] = {}
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, namespace)
    is_genuine = namespace["is_genuine"]
    now = int(time.time())
    good = headers(b'{"a": 1}', now)
    assert is_genuine("s" * 40, good, b'{"a": 1}')
    assert not is_genuine("s" * 40, good, b'{"a":1}')
    assert not is_genuine("t" * 40, good, b'{"a": 1}')
    assert not is_genuine("s" * 40, {**good, "X-Earshot-Timestamp": str(now - 1)}, b'{"a": 1}')
    assert not is_genuine("s" * 40, headers(b"", now - 600), b"")
