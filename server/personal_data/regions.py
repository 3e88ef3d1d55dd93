"""In which countries a language is spoken, as numbers are written differently in each. Pure."""

from __future__ import annotations

import phonenumbers

# Those whose language is also that of others come with those whose numbers are most often said in it.
_OF_LANGUAGE_TEXT = """
    bg:BG ca:ES cs:CZ da:DK de:DE,AT,CH el:GR en:US,GB,IE,AU es:ES et:EE eu:ES fi:FI fr:FR,BE,CH gl:ES he:IL hi:IN hr:HR
    hu:HU is:IS it:IT,CH ja:JP ko:KR lt:LT lv:LV nb:NO nl:NL,BE nn:NO no:NO pl:PL pt:PT,BR ro:RO ru:RU sk:SK sl:SI sv:SE
    tr:TR uk:UA zh:CN
"""
_OF_LANGUAGE = {
    language: tuple(regions.split(","))
    for language, _, regions in (entry.partition(":") for entry in _OF_LANGUAGE_TEXT.split())
}


def language_of(tag: str | None) -> str:
    """The language of a tag (RFC 5646), without its region; empty when it is not known."""
    language = _parts(tag)[0]
    return language if language in _OF_LANGUAGE else ""


def regions_of(tag: str | None) -> tuple[str, ...]:
    """The region that the tag names, or else those of its language (ISO 3166, two capitals); none when not known."""
    language, *rest = _parts(tag)
    for part in rest:
        if len(part) == 2 and part.upper() in phonenumbers.SUPPORTED_REGIONS:
            return (part.upper(),)
    return _OF_LANGUAGE.get(language, ())


def _parts(tag: str | None) -> list[str]:
    # A tag is short; what is longer is none, and is not looked through.
    return (tag or "")[:64].replace("_", "-").lower().split("-")
