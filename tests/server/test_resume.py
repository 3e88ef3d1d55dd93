from __future__ import annotations

import stat
from pathlib import Path

import pytest

from protocol.errors import Replaced
from server.resume import ResumeTokens


def test_a_token_names_its_track_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "resume.key"
    token = ResumeTokens.load(path).make("transcript", "trk_1")
    assert ResumeTokens.load(path).track_of("transcript", token) == "trk_1"


def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    ResumeTokens.load(tmp_path / "resume.key")
    assert stat.S_IMODE((tmp_path / "resume.key").stat().st_mode) == 0o600


def test_a_key_cut_short_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "resume.key").write_bytes(b"short")
    tokens = ResumeTokens.load(tmp_path / "resume.key")
    assert tokens.track_of("t", tokens.make("t", "trk_1")) == "trk_1"


@pytest.mark.parametrize(
    "token", ["", "trk_1", "trk_1.", "trk_1.ABC", "trk_2.{digest}", "{digest}", "trk_1.ä", "." * 200]
)
def test_nothing_else_is_a_token(tmp_path: Path, token: str) -> None:
    tokens = ResumeTokens.load(tmp_path / "resume.key")
    digest = tokens.make("transcript", "trk_1").partition(".")[2]
    with pytest.raises(Replaced):
        tokens.track_of("transcript", token.format(digest=digest))


def test_a_token_of_another_transcript_is_none(tmp_path: Path) -> None:
    tokens = ResumeTokens.load(tmp_path / "resume.key")
    with pytest.raises(Replaced):
        tokens.track_of("other", tokens.make("transcript", "trk_1"))
