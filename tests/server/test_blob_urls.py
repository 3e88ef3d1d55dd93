"""Signed addresses: the good one is taken, and whatever is changed about it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadInput, Forbidden
from server.blob_urls import (
    EXPIRES,
    EXPIRES_MAX_S,
    LENGTH,
    LENGTH_MAX_BYTES,
    PARAMETERS,
    SIGNATURE,
    TYPE,
    BlobUrls,
    Granted,
)

SECRET = bytes(range(32))
KEY = "recordings/0192f0c1/chunk_0007.webm"
SOUND = "audio/webm;codecs=opus"
LIFE_S = 900


class Clock:
    """Epoch seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Asked:
    """A request, as the door reads it."""

    method: str
    key: str
    params: list[tuple[str, str]]
    content_type: str | None

    def by(self, urls: BlobUrls) -> Granted:
        return urls.check(self.method, self.key, self.params, self.content_type)

    def value(self, name: str) -> str:
        return dict(self.params)[name]

    def having(self, name: str, value: str) -> Asked:
        return replace(self, params=[(each, value if each == name else old) for each, old in self.params])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def urls(clock: Clock) -> BlobUrls:
    return BlobUrls(SECRET, clock)


def asked(url: str) -> Asked:
    parts = urlsplit(url)
    return Asked("PUT", parts.path.removeprefix("/blobs/"), parse_qsl(parts.query, keep_blank_values=True), SOUND)


@pytest.fixture
def good(urls: BlobUrls) -> Asked:
    return asked(urls.put_url(KEY, content_type=SOUND, length_max_bytes=5_000_000, expires_s=LIFE_S))


def test_a_good_one_is_taken_again_and_again_and_in_any_order(urls: BlobUrls, good: Asked) -> None:
    for _ in range(2):
        assert good.by(urls) == Granted(5_000_000, SOUND)
    assert replace(good, params=good.params[::-1]).by(urls) == Granted(5_000_000, SOUND)


def test_an_address_is_a_plain_path_and_query(urls: BlobUrls, good: Asked) -> None:
    url = urls.put_url(KEY, content_type='audio/x+y; a="b c"', length_max_bytes=1, expires_s=1)
    assert url.startswith(f"/blobs/{KEY}?")
    assert url.isascii()
    assert not set(url) & set(' "+<>#\\')
    assert dict(parse_qsl(urlsplit(url).query))[TYPE] == 'audio/x+y; a="b c"'


def signature(change: Callable[[str], str]) -> Callable[[Asked], Asked]:
    return lambda good: good.having(SIGNATURE, change(good.value(SIGNATURE)))


def without(name: str) -> Callable[[Asked], Asked]:
    return lambda good: replace(good, params=[each for each in good.params if each[0] != name])


def twice(name: str) -> Callable[[Asked], Asked]:
    return lambda good: replace(good, params=[*good.params, (name, good.value(name))])


def renamed(name: str) -> Callable[[Asked], Asked]:
    return lambda good: replace(without(name)(good), params=[*without(name)(good).params, ("v", good.value(name))])


# One thing is other than it was signed, each time.
ALTERED: dict[str, Callable[[Asked], Asked]] = {
    "method": lambda good: replace(good, method="GET"),
    "method in small letters": lambda good: replace(good, method="put"),
    "method that makes": lambda good: replace(good, method="POST"),
    "method that is none": lambda good: replace(good, method="PÜT"),
    "key": lambda good: replace(good, key=KEY.replace("0007", "0008")),
    "key cut": lambda good: replace(good, key=KEY[:-1]),
    "key longer": lambda good: replace(good, key=f"{KEY}x"),
    "key with a slash": lambda good: replace(good, key=f"{KEY}/"),
    "key in capitals": lambda good: replace(good, key=KEY.upper()),
    "key that climbs": lambda good: replace(good, key=f"x/../{KEY}"),
    "key of none": lambda good: replace(good, key=""),
    "key that is none": lambda good: replace(good, key="ä\ud800\n"),
    "length": lambda good: good.having(LENGTH, "5000001"),
    "length less": lambda good: good.having(LENGTH, "4999999"),
    "length as one more would write it": lambda good: good.having(LENGTH, "05000000"),
    "length with a sign": lambda good: good.having(LENGTH, "+5000000"),
    "length with a blank": lambda good: good.having(LENGTH, "5000000 "),
    "length in other digits": lambda good: good.having(LENGTH, "٥000000"),
    "length empty": lambda good: good.having(LENGTH, ""),
    "length with what follows it": lambda good: good.having(LENGTH, "5000000,22:audio/webm"),
    "type": lambda good: replace(good.having(TYPE, "audio/ogg"), content_type="audio/ogg"),
    "type in capitals": lambda good: replace(good.having(TYPE, SOUND.upper()), content_type=SOUND.upper()),
    "type empty": lambda good: replace(good.having(TYPE, ""), content_type=""),
    "type with a line": lambda good: good.having(TYPE, f"{SOUND}\n"),
    "expiry": lambda good: good.having(EXPIRES, str(int(good.value(EXPIRES)) + 1)),
    "expiry earlier": lambda good: good.having(EXPIRES, str(int(good.value(EXPIRES)) - 1)),
    "expiry never": lambda good: good.having(EXPIRES, "9" * 400),
    "expiry as a fraction": lambda good: good.having(EXPIRES, f"{good.value(EXPIRES)}.0"),
    "expiry empty": lambda good: good.having(EXPIRES, ""),
    "length and expiry exchanged": lambda good: good.having(LENGTH, good.value(EXPIRES)).having(
        EXPIRES, good.value(LENGTH)
    ),
    "signature": signature(lambda text: text[:-1] + ("0" if text[-1] != "0" else "1")),
    "signature at its beginning": signature(lambda text: ("0" if text[0] != "0" else "1") + text[1:]),
    "signature truncated": signature(lambda text: text[:-1]),
    "signature halved": signature(lambda text: text[:32]),
    "signature extended": signature(lambda text: f"{text}0"),
    "signature with a line": signature(lambda text: f"{text}\n"),
    "signature in capitals": signature(str.upper),
    "signature empty": signature(lambda _: ""),
    "signature of zeros": signature(lambda _: "0" * 64),
    "signature that is no text": signature(lambda _: "\ud800é" * 32),
    **{f"{name} left out": without(name) for name in PARAMETERS},
    **{f"{name} twice": twice(name) for name in PARAMETERS},
    **{f"{name} with another name": renamed(name) for name in PARAMETERS},
    "one parameter more": lambda good: replace(good, params=[*good.params, ("v", "1")]),
    "no parameter": lambda good: replace(good, params=[]),
}


@pytest.mark.parametrize("name", ALTERED)
def test_whatever_is_changed_is_refused(urls: BlobUrls, good: Asked, name: str) -> None:
    changed = ALTERED[name](good)
    assert changed != good
    with pytest.raises(Forbidden) as refused:
        changed.by(urls)
    assert refused.value.details == {"reason": "altered"}
    assert good.by(urls)


@pytest.mark.parametrize("content_type", [None, "", "audio/webm", SOUND.upper(), f"{SOUND}, {SOUND}", f" {SOUND}"])
def test_another_type_of_the_body_is_refused_and_the_right_one_told(
    urls: BlobUrls, good: Asked, content_type: str | None
) -> None:
    with pytest.raises(Forbidden) as refused:
        replace(good, content_type=content_type).by(urls)
    assert refused.value.details == {"reason": "content_type", "content_type": SOUND}
    assert SOUND in refused.value.message


@pytest.mark.parametrize("secret", [bytes(32), SECRET[::-1], SECRET + b"\0x", SECRET[:31] + b"\0"])
def test_another_secret_signs_nothing_of_ours(clock: Clock, good: Asked, secret: bytes) -> None:
    with pytest.raises(Forbidden) as refused:
        good.by(BlobUrls(secret, clock))
    assert refused.value.details == {"reason": "altered"}


def test_an_address_lives_as_long_as_was_said(urls: BlobUrls, clock: Clock, good: Asked) -> None:
    began = clock.now
    assert good.value(EXPIRES) == str(int(began) + LIFE_S)
    clock.now = began + LIFE_S - 0.001
    assert good.by(urls)
    for late_s in (0, 1, 10**9):
        clock.now = began + LIFE_S + late_s
        with pytest.raises(Forbidden, match="expired: ask for a new one") as refused:
            good.by(urls)
        assert refused.value.details == {"reason": "expired"}


def test_what_is_altered_is_not_told_that_it_has_expired(urls: BlobUrls, clock: Clock, good: Asked) -> None:
    clock.now += LIFE_S + 1
    with pytest.raises(Forbidden) as refused:
        good.having(LENGTH, "1").by(urls)
    assert refused.value.details == {"reason": "altered"}


@given(data=st.data())
def test_any_other_text_in_any_place_is_refused(data: st.DataObject) -> None:
    urls = BlobUrls(SECRET, Clock())
    good = asked(urls.put_url(KEY, content_type=SOUND, length_max_bytes=5_000_000, expires_s=LIFE_S))
    name = data.draw(st.sampled_from(PARAMETERS))
    value = data.draw(st.text(max_size=80).filter(lambda text: text != good.value(name)))
    with pytest.raises(Forbidden):
        good.having(name, value).by(urls)


KEYS = st.from_regex(r"[a-z0-9_-]{1,8}(/[a-z0-9_-]{1,8}){0,3}", fullmatch=True)
TYPES = st.sampled_from(["audio/webm", SOUND, "audio/ogg; codecs=opus", "application/octet-stream"])


@given(KEYS, TYPES, st.integers(1, LENGTH_MAX_BYTES), st.integers(1, EXPIRES_MAX_S))
def test_whatever_is_signed_comes_back(key: str, content_type: str, length: int, expires_s: int) -> None:
    urls = BlobUrls(SECRET, Clock())
    url = urls.put_url(key, content_type=content_type, length_max_bytes=length, expires_s=expires_s)
    found = replace(asked(url), content_type=content_type)
    assert found.key == key
    assert found.by(urls) == Granted(length, content_type)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"key": key} for key in ("", "/x", "a//b", "../x", "a b", "a?b", "ä", "x" * 129)),
        *(
            {"content_type": text}
            for text in ("", "audio", "audio/", "a/b\r\nX-Y: z", "ä/b", "a/b;c", "a/" + "b" * 200)
        ),
        *({"length_max_bytes": length} for length in (0, -1, LENGTH_MAX_BYTES + 1)),
        *({"expires_s": life} for life in (0, -1, EXPIRES_MAX_S + 1)),
    ],
)
def test_what_cannot_be_signed(urls: BlobUrls, wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"key": KEY, "content_type": SOUND, "length_max_bytes": 1, "expires_s": 1}
    assert urls.put_url(**right)
    with pytest.raises(BadInput):
        urls.put_url(**(right | wrong))


def test_a_short_secret_is_none() -> None:
    with pytest.raises(ValueError, match="32"):
        BlobUrls(b"short")


def test_addresses_hold_across_a_restart(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "blobs.key"
    url = BlobUrls.load(path, clock).put_url(KEY, content_type=SOUND, length_max_bytes=9, expires_s=9)
    assert asked(url).by(BlobUrls.load(path, clock)) == Granted(9, SOUND)
