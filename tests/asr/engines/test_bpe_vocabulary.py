from __future__ import annotations

import struct
from pathlib import Path

from asr.engines.bpe_vocabulary import read_pieces


def piece(text: str, score: float, kind: int | None = None) -> bytes:
    """A piece as sentencepiece writes it: text, score, and a kind unless it is an ordinary one."""
    data = text.encode()
    inner = b"\x0a" + bytes([len(data)]) + data + b"\x15" + struct.pack("<f", score)
    inner += b"" if kind is None else b"\x18" + bytes([kind])
    return b"\x0a" + bytes([len(inner)]) + inner


MODEL = piece("<unk>", 0.0, 2) + piece("▁THE", -3.5) + piece("S", -2.25) + b"\x12\x02\x08\x01" + b"\x19" + bytes(8)


def test_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "bpe.vocab").write_text("<blk>\t0\n▁THE\t-3.5\nS\t-2.25\n", "utf-8")
    assert read_pieces(tmp_path) == {"▁THE": -3.5, "S": -2.25}


def test_from_a_model(tmp_path: Path) -> None:
    (tmp_path / "bpe.model").write_bytes(MODEL)
    assert read_pieces(tmp_path) == {"▁THE": -3.5, "S": -2.25}


def test_what_is_no_table_and_no_model_is_nothing(tmp_path: Path) -> None:
    assert read_pieces(tmp_path) == {}
    for end in range(len(MODEL)):
        (tmp_path / "bpe.model").write_bytes(MODEL[:end])
        assert read_pieces(tmp_path).keys() <= {"▁THE", "S"}
    (tmp_path / "bpe.model").write_bytes(b"\xff" * 40)
    assert read_pieces(tmp_path) == {}
    (tmp_path / "bpe.vocab").write_text("no tabs here")
    assert read_pieces(tmp_path) == {}
