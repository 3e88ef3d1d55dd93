"""How this server asks others."""

from __future__ import annotations

import pytest

from server.outbound import is_loopback, json_client


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example.org", "10.0.0.1", "::2", "127.0.0.1.example.org"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://id.example.org/realm"])
async def test_a_proxy_is_asked_for_other_machines_alone(url: str) -> None:
    async with await json_client(url, deadline_s=1.0, connections_max=1, headers={"Authorization": "Bearer x"}) as http:
        assert http.trust_env is url.startswith("https://")
        assert (http.follow_redirects, http.timeout.read) == (False, 1.0)
        assert (http.headers["accept-encoding"], http.headers["authorization"]) == ("identity", "Bearer x")
