"""What a voice is called that nobody named: ``Speaker 1``, ``Speaker 2`` and so on."""

from __future__ import annotations


def label_of(number: int) -> str:
    """What a voice is called that has a number and nothing else."""
    return f"Speaker {number}"


def number_of(label: str | None) -> int | None:
    word, _, digits = (label or "").partition(" ")
    is_number = word == "Speaker" and digits.isascii() and digits.isdigit() and len(digits) < 10
    return int(digits) if is_number and str(int(digits)) == digits else None
