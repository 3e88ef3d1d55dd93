"""Fonts of this machine, for PDFs. We ship none: which letters a PDF can show depends on what is installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts/Supplemental"),
    Path("C:/Windows/Fonts"),
)
FILES_MAX = 20_000  # looked at

# Plain and bold of one face, the ones with the most letters first.
FACES = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("Arial Unicode.ttf", "Arial Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"),
)
# For letters that the face lacks.
OTHERS = (
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "DroidSansFallbackFull.ttf",
    "NotoSansJP-Regular.ttf",
    "NotoSansSC-Regular.ttf",
    "NotoSansKR-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansEthiopic-Regular.ttf",
    "NotoSansArmenian-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
)


@dataclass(frozen=True, slots=True)
class Fonts:
    """Files of TrueType fonts. ``plain`` None: those that every reader of PDF has, which know Latin-1 alone."""

    plain: Path | None = None
    bold: Path | None = None
    others: tuple[Path, ...] = ()


def find_fonts(folders: Sequence[Path] = FOLDERS) -> Fonts:
    """Those of ours that this machine has. Blocks."""
    wanted = {name for face in FACES for name in face} | set(OTHERS)
    found: dict[str, Path] = {}
    seen = 0
    for folder in folders:
        for where, _, names in os.walk(folder):
            seen += len(names)
            for name in wanted & set(names):
                found.setdefault(name, Path(where, name))
            if seen > FILES_MAX:
                break
    for plain, bold in FACES:
        if plain in found:
            others = tuple(found[name] for name in OTHERS if name in found and name != plain)
            return Fonts(found[plain], found.get(bold), others)
    return Fonts()
