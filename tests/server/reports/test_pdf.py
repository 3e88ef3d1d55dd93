"""The PDF is read back: its text, and what it has none of."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from server.reports.fonts import Fonts, find_fonts
from server.reports.pdf import as_pdf
from tests.server.reports.talks import digest, findings_of, hostile

RUSSIAN = "Крыша школы течёт каждую зиму."


def font(path: Path, letters: str) -> Path:
    """A font of those letters, each a box."""
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 700), (450, 700), (450, 0)):
        pen.lineTo(corner)
    pen.closePath()
    box = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in letters})
    builder.setupGlyf(dict.fromkeys(names, box))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (500, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


def streams(data: bytes) -> list[bytes]:
    found = []
    for match in re.finditer(rb"stream\n(.*?)\nendstream", data, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            found.append(match[1])
    return found


def shown(data: bytes) -> str:
    """What the pages show in fonts that every reader has."""
    pieces = re.findall(rb"\(((?:[^\\()]|\\.)*)\) ?T[jJ]", b"\n".join(streams(data)), re.DOTALL)
    return " ".join(re.sub(rb"\\(.)", rb"\1", piece).decode("latin-1") for piece in pieces)


def mapped(data: bytes) -> set[str]:
    """Letters that the fonts within it say that they show (PDF 32000-1, 9.10.3: ToUnicode)."""
    maps = [stream for stream in streams(data) if b"beginbfchar" in stream or b"beginbfrange" in stream]
    pairs = re.findall(rb"<[0-9A-Fa-f]{4}> <([0-9A-Fa-f]{4})>\n", b"\n".join(maps))
    return {chr(int(code, 16)) for code in pairs}


def test_with_no_font_it_has_latin_and_tells_how_much_is_missing() -> None:
    found = findings_of(digest("Der Dachstuhl der Schule ist für alle zu klein…", RUSSIAN), name="Gespräche “heute”")
    data, missing = as_pdf(found, Fonts())
    text = shown(data)
    assert data.startswith(b"%PDF-")
    assert 'Gespräche "heute"' in text
    assert "klein..." in text
    assert "?????" in text
    assert missing == len({char for char in RUSSIAN if char not in " ."})
    assert as_pdf(found, Fonts()) == (data, missing)  # the same to the byte


def test_with_fonts_it_has_their_letters_and_takes_others_for_the_rest(tmp_path: Path) -> None:
    latin = font(tmp_path / "latin.ttf", "".join(map(chr, range(0x20, 0x7F))) + "–…")
    russian = font(tmp_path / "russian.ttf", "".join(map(chr, range(0x400, 0x460))))
    hebrew = font(tmp_path / "hebrew.ttf", "".join(map(chr, range(0x5D0, 0x5EB))))
    found = findings_of(digest(RUSSIAN, "The roof leaks."), name="日本")
    data, missing = as_pdf(found, Fonts(latin, latin, (hebrew, russian)))
    assert missing == 2
    assert set("Крышашколы") | set("The roof") - {" "} <= mapped(data)
    assert len(re.findall(rb"/FontFile2", data)) == 3


def test_a_font_that_is_none_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "DejaVuSans.ttf"
    broken.write_bytes(b"no font")
    data, missing = as_pdf(findings_of(digest("The roof leaks.")), Fonts(broken))
    assert "The roof leaks." in shown(data)
    assert missing == 0


@pytest.mark.parametrize("fonts", [Fonts(), find_fonts()], ids=["core", "system"])
def test_hostile_text_is_only_shown(fonts: Fonts) -> None:
    data, _ = as_pdf(hostile(), fonts)
    whole = data + b"\n".join(streams(data))
    assert b"/OpenAction [" in whole  # the place on a page that is shown first, and no action
    for active in (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/AA", b"/EmbeddedFile", b"/Link"):
        assert active + b" " not in whole
        assert active + b"\n" not in whole


def test_long_reports_have_pages_and_a_report_of_nothing_says_so() -> None:
    many = findings_of(*(digest(f"The roof of house {at} leaks. " * 5) for at in range(40)))
    data, _ = as_pdf(many, Fonts())
    assert len(re.findall(rb"/Type /Page\n", data)) > 2
    assert "There are no conversations yet." in shown(as_pdf(findings_of(), Fonts())[0])
