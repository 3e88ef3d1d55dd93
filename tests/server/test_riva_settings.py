from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from server.recogniser import worker_settings
from server.settings import Settings


def settings(**options: Any) -> Settings:
    return Settings(**{"data_dir": Path("data"), **options})


@pytest.mark.parametrize("url", ["gpu:50051", "gpu.example.org:443", "127.0.0.1:1", "[::1]:50051"])
def test_a_host_and_a_port_are_an_address(url: str) -> None:
    assert settings(riva_url=url).riva_url == url


@pytest.mark.parametrize(
    "url", ["gpu", "http://gpu:50051", "gpu:port", "gpu:99999", "me:pw@gpu:1", "gpu:1/path", ":50051"]
)
def test_other_text_is_none(url: str) -> None:
    with pytest.raises(ValidationError, match="a host and a port"):
        settings(riva_url=url)


def test_the_engine_needs_the_address() -> None:
    assert settings(engine="riva", riva_url="gpu:50051").engine == "riva"
    with pytest.raises(ValidationError, match="riva needs riva_url"):
        settings(engine="riva")


def test_a_token_does_not_cross_a_network_for_all_to_read() -> None:
    with pytest.raises(ValidationError, match="set riva_tls"):
        settings(riva_url="gpu:50051", riva_token="x")
    for known in ({"riva_url": "gpu:443", "riva_tls": True}, {"riva_url": "localhost:1"}, {"riva_url": "[::1]:1"}):
        assert settings(**known, riva_token="x").riva_token is not None


def test_the_worker_is_told_and_its_command_line_has_no_token() -> None:
    told = worker_settings(settings(riva_url="gpu:443", riva_tls=True, riva_token="open sesame", riva_model="m"))
    assert (told.riva_url, told.riva_tls, told.riva_token, told.riva_model) == ("gpu:443", True, "open sesame", "m")
    assert "sesame" not in told.to_json()
    assert "sesame" not in repr(told)
