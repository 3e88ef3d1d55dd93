from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.download_names import NAME_MAX_BYTES, content_disposition, file_stem


def header(name: str) -> str:
    return content_disposition("attachment", name, "txt", transcript_id="t-1")["Content-Disposition"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Board meeting", 'attachment; filename="Board meeting.txt"'),
        ("Talk of May.MP3", 'attachment; filename="Talk of May.txt"'),
        ("", 'attachment; filename="t-1.txt"'),
        (" .. ", 'attachment; filename="t-1.txt"'),
        ("../../etc/passwd", 'attachment; filename="etc-passwd.txt"'),
        ('a"; filename="b.exe', 'attachment; filename="a- filename=-b.exe.txt"'),
        ("two\r\nSet-Cookie: x=1", 'attachment; filename="two Set-Cookie- x=1.txt"'),
        ("nul", 'attachment; filename="_nul.txt"'),
        ("Gespräch", "attachment; filename=\"Gesprach.txt\"; filename*=UTF-8''Gespr%C3%A4ch.txt"),
        ("会議", "attachment; filename=\"t-1.txt\"; filename*=UTF-8''%E4%BC%9A%E8%AD%B0.txt"),
        ("invoice\u202etxt.exe", 'attachment; filename="invoicetxt.exe.txt"'),
    ],
)
def test_names_people_give(name: str, expected: str) -> None:
    assert header(name) == expected


@given(st.text())
def test_no_name_leaves_its_header_or_its_folder(name: str) -> None:
    stem = file_stem(name, "t-1")
    assert 0 < len(stem.encode()) <= NAME_MAX_BYTES + 1
    assert not set(stem) & set('\\/:*?"<>|;')
    assert not any(unicodedata.category(char).startswith("C") for char in stem)
    assert stem == stem.strip()
    assert not stem.startswith(".")
    value = header(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    if "filename*=" in value:
        assert unquote(value.partition("UTF-8''")[2]) == f"{stem}.txt"
