"""What a downloaded file is called: as its transcript is, made safe for every disk and every header."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal
from urllib.parse import quote

# Each takes up to four bytes in UTF-8, and file systems end at 255 bytes, suffix and " (1)" of a browser included.
NAME_MAX_BYTES = 180
PART_MAX_BYTES = 60

# What Windows, macOS or Linux do not allow in a name, and what a shell or a header would take for its own.
_FORBIDDEN = re.compile(r'[\\/:*?"<>|;%$`]+')
_SPACES = re.compile(r"\s+")
# Names of devices on Windows, whatever their suffix.
_DEVICES = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
# An uploaded file's own suffix, of which its transcript is often named: `talk.mp3` becomes `talk.txt`.
_OF_SOUND = re.compile(r"(?i)\.(wav|mp3|m4a|flac|ogg|oga|opus|webm|aac|mp4|mkv|mov)\s*$")


def part_stem(name: str, part: str, otherwise: str) -> str:
    """As ``file_stem``, of one part of what ``name`` is the name of: the part's name stays, however long the other."""
    of_part = file_stem(part, "", PART_MAX_BYTES)
    whole = file_stem(name, otherwise, NAME_MAX_BYTES - PART_MAX_BYTES - 3)
    return f"{whole} - {of_part}" if of_part else whole


def file_stem(name: str, otherwise: str, most_bytes: int = NAME_MAX_BYTES) -> str:
    """``name`` as the name of a file, without its suffix; ``otherwise`` where nothing of it is left.

    Controls, invisible characters and those that turn the direction of writing (which hide a suffix) are left out.
    """
    visible = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", name))
    visible = "".join(char for char in visible if not unicodedata.category(char).startswith("C"))
    stem = _SPACES.sub(" ", _FORBIDDEN.sub("-", _OF_SOUND.sub("", visible)))
    stem = stem.encode()[:most_bytes].decode(errors="ignore")
    stem = stem.strip(" .-")  # a leading point hides a file; Windows takes points and spaces at the end away
    if not stem:
        return otherwise
    return f"_{stem}" if _DEVICES.match(stem) else stem


def content_disposition(
    kind: Literal["attachment", "inline"], name: str, suffix: str, *, transcript_id: str
) -> dict[str, str]:
    """The header (RFC 6266): a plain ``filename``, and ``filename*`` (RFC 8187) where the name is more than ASCII."""
    stem = file_stem(name, transcript_id)
    letters = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = file_stem(letters, transcript_id)
    value = f'{kind}; filename="{plain}.{suffix}"'
    if plain != stem:
        value += f"; filename*=UTF-8''{quote(f'{stem}.{suffix}', safe='')}"
    return {"Content-Disposition": value}
