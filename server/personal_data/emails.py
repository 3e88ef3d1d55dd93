"""E-mail addresses, as they are written and as they are spoken: "anna at example dot org". Pure; linear in the text.

Written is what has a ``@``: letters, digits and the usual signs on its left (of RFC 5322, 3.2.3, those that occur), a
name of a host with an end of letters on its right. In a spoken one ``@`` or the dots are words; it ends with a known
top-level domain, or else every "at that point" would be an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import phonenumbers

from server.personal_data.found import Found, Kind
from server.personal_data.regions import language_of
from server.personal_data.tokens import Token

_PROOF = 8

_AT = "at"
_FRENCH_ATS = frozenset({"arobase", "arrobase", "arobas"})
_AT_WORDS = _FRENCH_ATS | {_AT, "ät", "klammeraffe", "affenschwanz", "arroba", "apenstaartje", "apestaartje"}
_DOT = "dot"
# "Point" is left out: in English, "at this point in" has it.
_DOT_WORDS = frozenset({_DOT, "punkt", "punto", "punt"})
_FRENCH_DOT_WORDS = _DOT_WORDS | {"point"}
_HYPHEN_WORDS = frozenset(
    {"dash", "hyphen", "minus", "bindestrich", "tiret", "guion", "guión", "streepje", "koppelteken"}
)
# Of "underscore" in two words ("guion bajo") the second counts as a joint as well.
_JOINTS = frozenset({"underscore", "unterstrich", "bas", "bajo", "liggend", "plus"}) | _HYPHEN_WORDS | _FRENCH_DOT_WORDS
_JOINT_WORDS_MAX = 2
_LOCAL_SIGNS = frozenset(".-+%&~'")

# Before a number, words that are no part of the name: "my address is 23 at".
_NOT_NAMES_TEXT = "is are ist est es mail email adresse address adres and und et y en to an à a"
# What people do at a place whose name is that of a site: "we work at example dot com".
_NOT_LOCALS_TEXT = """
    look looks looked looking work works worked working job jobs buy bought order orders ordered shop shops shopped
    start starts started stay stayed visit see us it is are was were be been me him her them you find found available
    here there and or online live site page website meet met employed people team engineer manager
"""
_NOT_LABELS_TEXT = "the this that these those a an some one"
_NOT_NAMES, _NOT_LOCALS, _NOT_LABELS = (
    frozenset(words.split()) for words in (_NOT_NAMES_TEXT, _NOT_LOCALS_TEXT, _NOT_LABELS_TEXT)
)
_LABEL_WORDS_MAX = 3  # "at big harbour bank dot com"
_LABEL_LETTERS_MAX = 32  # spelled one by one
_DOTS_MAX = 8
_TOP_MAX_CHARS = 24

_TOPS_TEXT = """
    com org net info biz edu gov mil int name pro eu uk cat coop museum mobi jobs tel travel asia app dev xyz online
    site website shop store tech cloud email mail blog club live news agency world digital media group solutions
    services team today berlin hamburg koeln cologne bayern wien tirol paris bzh alsace amsterdam frl brussels
    vlaanderen gent swiss eus gal barcelona madrid london scot wales nyc health school academy company studio
    design space
"""
_TOPS = frozenset(_TOPS_TEXT.split()) | {region.lower() for region in phonenumbers.SUPPORTED_REGIONS}
_TOPS_THAT_ARE_WORDS_TEXT = "in is it at be me my no so to us am as do by"
_TOPS_THAT_ARE_WORDS = frozenset(_TOPS_THAT_ARE_WORDS_TEXT.split())


def emails(words: Sequence[Token], language: str | None) -> Iterator[Found]:
    """All of them, one within another included."""
    for at, token in enumerate(words):
        if not 0 < at < len(words) - 1:
            continue
        if token.text == "@" or (token.text in _AT_WORDS and not _touches(words, at - 1) and not _touches(words, at)):
            end = _domain_end(words, at, _dots(token.text, language_of(language)))
            if end is not None:
                for begin in _local_begins(words, at):
                    yield Found(words[begin].start, words[end].end, Kind.EMAIL, _PROOF)


def _dots(at: str, language: str) -> frozenset[str]:
    """The words for a dot that go with this word for "at"."""
    if at == _AT and language == "en":
        return frozenset({_DOT})
    return _FRENCH_DOT_WORDS if at in _FRENCH_ATS or language == "fr" else _DOT_WORDS


def _touches(words: Sequence[Token], i: int) -> bool:
    """Whether no space is between this token and the next."""
    return i + 1 < len(words) and words[i].end == words[i + 1].start


def _local_begins(words: Sequence[Token], at: int) -> set[int]:
    """Where the part before the "at" may begin: the word before it, and the furthest that is spoken with it."""
    if not words[at - 1].is_word or _is_at_word(words, at - 1):
        return set()
    least = begin = _chunk_begin(words, at - 1)
    is_written = _touches(words, at - 1)
    while (further := _spoken_before(words, begin, is_written)) is not None:
        begin = further
    if words[at].text == _AT and begin == at - 1 and words[begin].text in _NOT_LOCALS:
        return set()
    return {least, begin}


def _is_at_word(words: Sequence[Token], i: int) -> bool:
    return words[i].text in _AT_WORDS and not (i and _touches(words, i - 1))


def _chunk_begin(words: Sequence[Token], i: int) -> int:
    """Where what hangs together with this word begins."""
    while i and _touches(words, i - 1) and (words[i - 1].is_word or words[i - 1].text in _LOCAL_SIGNS):
        i -= 1
    while not words[i].is_word:
        i += 1
    return i


def _spoken_before(words: Sequence[Token], begin: int, is_written: bool) -> int | None:
    """What is said before ``begin`` and belongs to it: "anna dot" berg, "a n n" a, "anna" 23."""
    before = begin - 1
    joint = before
    while joint >= 0 and before - joint < _JOINT_WORDS_MAX and words[joint].text in _JOINTS:
        joint -= 1
    if before > joint >= 0 and words[joint].is_word and not _is_at_word(words, joint):
        return _chunk_begin(words, joint)
    if is_written or before < 0 or not words[before].is_word or _is_at_word(words, before):
        return None
    said, hers = words[before], words[begin]
    if (hers.is_number or len(hers.text) == 1) and (said.is_number or len(said.text) == 1):
        return before
    return before if hers.is_number and said.text not in _NOT_NAMES else None


def _domain_end(words: Sequence[Token], at: int, dots: frozenset[str]) -> int | None:
    """The last token of the host's name after the "at"; None when there is none."""
    i = at + 1
    is_said = words[at].text != "@"
    if not words[i].is_word or _is_at_word(words, i) or (words[at].text == _AT and words[i].text in _NOT_LABELS):
        return None
    end = None
    names = letters = 1  # of the first label
    dots_count = 0
    while (step := _next_of_domain(words, i, dots, is_first_label=not dots_count)) is not None:
        i, joint = step
        dots_count += joint == "." or joint in dots
        letters += joint == "" and len(words[i].text) == 1
        names += joint == "" and len(words[i].text) > 1
        if names > _LABEL_WORDS_MAX or letters > _LABEL_LETTERS_MAX or dots_count > _DOTS_MAX:
            break
        if joint == "." and not is_said:
            end = i if _looks_like_a_top(words[i].text) else end
        elif joint == "." or joint in dots:
            end = i if _is_top(words[i].text, is_in_speech=names > 1) else end
    return end


def _next_of_domain(
    words: Sequence[Token], i: int, dots: frozenset[str], *, is_first_label: bool
) -> tuple[int, str] | None:
    """The next word of the host's name and what joins it to this one: a sign, a word for a sign, or nothing."""
    if i + 1 >= len(words):
        return None
    joint = words[i + 1].text
    if i + 2 < len(words) and words[i + 2].is_word:
        is_sign = joint in (".", "-") and _touches(words, i) and _touches(words, i + 1)
        if is_sign or joint in dots or joint in _HYPHEN_WORDS:
            return i + 2, joint
    if is_first_label and words[i + 1].is_word and not _is_at_word(words, i + 1):
        return i + 1, ""
    return None


def _is_top(text: str, *, is_in_speech: bool) -> bool:
    return text in _TOPS and not (is_in_speech and text in _TOPS_THAT_ARE_WORDS)


def _looks_like_a_top(text: str) -> bool:
    return (text.isalpha() or text.startswith("xn")) and 2 <= len(text) <= _TOP_MAX_CHARS
