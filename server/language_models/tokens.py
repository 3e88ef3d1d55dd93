"""How many tokens a text may be, for a model whose tokens nobody here can count. Pure.

Each model cuts text in its own way, and the server that runs it tells how only afterwards. A third of the bytes in
UTF-8, rounded up, is on the safe side of the vocabularies in use: in English they take four characters for a token, in
other languages of Latin letters about three; of Cyrillic, Greek or Arabic, of two bytes each, one and a half and more;
and of Han, of three bytes each, about one.
"""

from __future__ import annotations

BYTES_OF_A_TOKEN = 3
MESSAGE_TOKENS = 8  # around each message of a conversation: its role, and where it begins and ends


def estimated(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_OF_A_TOKEN)


def within(text: str, tokens_max: int) -> str:
    """As much of the beginning as has so many tokens at most; cut at a space, if there is one near the end."""
    if estimated(text) <= tokens_max:
        return text
    cut = text.encode("utf-8", "replace")[: max(tokens_max, 0) * BYTES_OF_A_TOKEN].decode("utf-8", "ignore")
    space = cut.rfind(" ", len(cut) * 3 // 4)
    return cut[:space] if space > 0 else cut
