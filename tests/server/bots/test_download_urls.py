"""Addresses of documents: good for what they say, as long as they say."""

from __future__ import annotations

import pytest

from protocol.errors import Forbidden
from protocol.ids import new_transcript_id
from server.bots.download_urls import EXPIRES_S, PREFIX, DownloadUrls


def test_an_address_is_good_for_its_document_until_it_expires() -> None:
    now_s = 1000.0
    urls = DownloadUrls(b"k" * 32, lambda: now_s)
    id_ = new_transcript_id()
    path, _, token = urls.url("transcript", id_).partition("?token=")
    assert path == f"{PREFIX}transcript"
    now_s += EXPIRES_S - 1
    assert urls.id_of("transcript", token) == id_
    others = (new_transcript_id() + token[36:], token.replace(".22600.", ".32600."), token[:-1], "", "x" * 200)
    for wrong in others:
        with pytest.raises(Forbidden) as refused:
            urls.id_of("transcript", wrong)
        assert refused.value.details["reason"] == "altered"
    with pytest.raises(Forbidden):
        urls.id_of("participants", token)
    with pytest.raises(Forbidden):
        DownloadUrls(b"l" * 32, lambda: now_s).id_of("transcript", token)
    now_s += 1
    with pytest.raises(Forbidden) as refused:
        urls.id_of("transcript", token)
    assert refused.value.details["reason"] == "expired"
