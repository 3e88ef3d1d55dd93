from __future__ import annotations

import pytest

from server.shown_url import address_to_ask, shown_url


@pytest.mark.parametrize(
    ("host", "asked", "shown"),
    [
        ("", "127.0.0.1", "http://localhost:8000/"),
        ("0.0.0.0", "127.0.0.1", "http://localhost:8000/"),
        ("::", "::1", "http://localhost:8000/"),
        ("::1", "::1", "http://localhost:8000/"),
        ("10.0.0.2", "10.0.0.2", "http://10.0.0.2:8000/"),
        ("fd00::2", "fd00::2", "http://[fd00::2]:8000/"),
        ("earshot.example", "earshot.example", "http://earshot.example:8000/"),
    ],
)
def test_a_server_is_shown_and_asked_where_it_can_be_reached(host: str, asked: str, shown: str) -> None:
    assert address_to_ask(host) == asked
    assert shown_url(host, 8000) == shown
