"""A report as PDF. Takes seconds: never on the event loop.

It has no links, scripts or files, and its text is only ever shown. Letters that no font of this machine has are shown
as ``?`` and counted; scripts whose letters join or change places (such as Arabic or Devanagari) are not shaped.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from fpdf.fonts import TTFFont

from server.project_exports.records import moment
from server.reports.findings import Findings, Listed
from server.reports.fonts import Fonts
from server.reports.html import day, minutes, plain
from server.reports.words import words_of

log = structlog.get_logger(__name__)

TEXT_PT, SMALL_PT, HEADING_PT, TITLE_PT = 11, 9, 14, 20
LINE_MM = 0.5  # for each point of a letter's size
MARGIN_MM = 20
CORE = "Helvetica"  # every reader of PDF has it
MISSING = "?"
# What is not in Latin-1 and has a likeness there.
_LIKE = str.maketrans(
    {
        "…": "...",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "–": "-",
        "—": "-",
        "•": "-",
        "€": "EUR",
        "\u202f": " ",
    }
)
_TRUETYPE = (b"\x00\x01\x00\x00", b"true")
_LATIN = frozenset(range(0x20, 0x7F)) | frozenset(range(0xA0, 0x100))


def as_pdf(findings: Findings, fonts: Fonts) -> tuple[bytes, int]:
    """The document, and how many different letters of it no font has. The same findings and fonts make the same."""
    document = _Document(findings, fonts)
    document.write_all()
    return bytes(document.pages.output()), len(document.missing)


class _Pages(FPDF):
    """On A4, each with its number."""

    number_font = CORE

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(self.number_font, size=SMALL_PT)
        self.cell(0, 5, str(self.page_no()), align=Align.C)


class _Document:
    """``missing``: letters that cannot be shown."""

    def __init__(self, findings: Findings, fonts: Fonts) -> None:
        self.missing: set[str] = set()
        self.pages = _Pages(format="A4")
        self._findings = findings
        self._words = words_of(findings.language)
        self._plain, self._bold, self._bold_style = CORE, CORE, "B"
        self._letters: frozenset[int] | None = None  # that the fonts have; None: those of Latin-1
        self._use(fonts)
        self.pages.set_auto_page_break(auto=True, margin=MARGIN_MM)
        self.pages.set_margins(MARGIN_MM, MARGIN_MM)
        self.pages.set_creation_date(moment(findings.made_at))
        self.pages.set_title(plain(findings.name))
        self.pages.set_lang(self._words.language)
        self.pages.add_page()

    def write_all(self) -> None:
        findings, words = self._findings, self._words
        self._text(findings.name, TITLE_PT, bold=True)
        self._text(words.made.format(at=f"{moment(findings.made_at):%Y-%m-%d %H:%M}"), SMALL_PT)
        self._text(words.method, SMALL_PT)
        if not findings.conversations or findings.from_at is None or findings.to_at is None:
            self._text(words.nothing)
            return
        self._text(
            f"{words.conversations}: {findings.conversations}; {words.minutes}: {findings.minutes}; "
            f"{words.words}: {findings.words}. "
            f"{words.between.format(first=day(findings.from_at), last=day(findings.to_at))}."
        )
        if findings.topics:
            self._heading(f"{words.topics} ({words.conversations}; {words.times})")
            for topic in findings.topics:
                self._text(f"{topic.word} ({topic.conversations}; {topic.times})", after_mm=0)
        if findings.quotes:
            self._heading(words.quotes)
            for quote in findings.quotes:
                self._text(f"– {quote}")
        if findings.tags:
            self._heading(f"{words.tags} ({words.conversations}; {words.minutes})")
            for tag in findings.tags:
                self._text(f"{tag.tag} ({tag.conversations}; {tag.minutes})", after_mm=0)
        self._heading(words.conversations)
        for each in findings.listed:
            self._listed(each)
        if findings.unlisted:
            self._text(words.more.format(count=findings.unlisted))

    def _listed(self, listed: Listed) -> None:
        self._text(listed.title or self._words.untitled, bold=True, after_mm=0)
        self._text(", ".join((day(listed.began_at), minutes(listed.duration_s), *listed.tags)), SMALL_PT, after_mm=0)
        self._text(listed.summary, after_mm=3)

    def _heading(self, text: str) -> None:
        self.pages.ln(4)
        self._text(text, HEADING_PT, bold=True)

    def _text(self, text: str, size_pt: int = TEXT_PT, *, bold: bool = False, after_mm: float = 2) -> None:
        text = self._shown(plain(text))
        if not text:
            return
        if bold:
            self.pages.set_font(self._bold, self._bold_style, size=size_pt)
        else:
            self.pages.set_font(self._plain, size=size_pt)
        height = size_pt * LINE_MM
        self.pages.multi_cell(0, height, text, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        if after_mm:
            self.pages.ln(after_mm)

    def _shown(self, text: str) -> str:
        if self._letters is None:
            text = text.translate(_LIKE)
        known = _LATIN if self._letters is None else self._letters
        lacking = {char for char in text if ord(char) not in known}
        self.missing |= lacking
        return text.translate(dict.fromkeys(map(ord, lacking), MISSING)) if lacking else text

    # Fonts: of the others only those are read that have letters which are still missing.

    def _use(self, fonts: Fonts) -> None:
        if fonts.plain is None or (letters := self._add("plain", fonts.plain)) is None:
            return
        self._plain = self.pages.number_font = "plain"
        self._bold, self._bold_style = "plain", ""
        of_bold = None if fonts.bold is None else self._add("bold", fonts.bold)
        if of_bold is not None and of_bold >= _ascii():
            self._bold = "bold"  # where it lacks a letter, the others show it
        else:
            self._drop("bold")
        others = ["plain"] if self._bold == "bold" else []
        missing = self._used() - letters
        for number, path in enumerate(fonts.others):
            if not missing:
                break
            found = self._add(f"other{number}", path)
            if found is not None and found & missing:
                others.append(f"other{number}")
                letters, missing = letters | found, missing - found
            else:
                self._drop(f"other{number}")
        if others:
            self.pages.set_fallback_fonts(others, exact_match=False)
        self._letters = letters

    def _add(self, name: str, path: Path) -> frozenset[int] | None:
        """The letters that it has; None where it cannot be used."""
        try:
            with path.open("rb") as file:
                if file.read(4) not in _TRUETYPE:
                    raise ValueError("no TrueType font")
            self.pages.add_font(name, fname=path)
            font = self.pages.fonts[name]
        except Exception as error:  # whatever a damaged file leads to
            log.warning("a font cannot be used", font=path.name, error=type(error).__name__)
            return None
        return frozenset(font.cmap) if isinstance(font, TTFFont) else None

    def _drop(self, name: str) -> None:
        """What shows nothing: else it would be in the document."""
        font = self.pages.fonts.pop(name, None)
        if isinstance(font, TTFFont):
            font.close()

    def _used(self) -> frozenset[int]:
        findings, words = self._findings, self._words
        texts = [findings.name, *findings.quotes, *(each.word for each in findings.topics), words.method, "0123456789"]
        texts += [tag.tag for tag in findings.tags]
        for each in findings.listed:
            texts += [each.title, each.summary]
        return frozenset(ord(char) for text in texts for char in plain(text))


def _ascii() -> frozenset[int]:
    return frozenset(range(0x21, 0x7F))
