from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer
from hypothesis import given
from hypothesis import strategies as st

from asr.engines.whisper_words import Piece, Span, aligned_words, guessed_words, pieces_of, without_stuck
from tests.fakes.random_whisper import build_random_whisper

SPAN = Span(1000, 33_000, 960)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = build_random_whisper(tmp_path_factory.mktemp("models") / "micro")
    return Tokenizer(tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")), False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" Hello, world!", ["Hello,", "world!"]),
        (' He said "no way" (yes).', ["He", "said", '"no', 'way"', "(yes)."]),
        (" that's 5 - 3 & more", ["that's", "5", "-", "3", "&", "more"]),
        (" ¿Qué? Äöü", ["¿Qué?", "Äöü"]),
        (" a well-known one…", ["a", "well-known", "one…"]),
        (' "(A) "', ['"(A)', '"']),
        ("", []),
        (" ", []),
        ("...", ["..."]),
    ],
)
def test_punctuation_goes_with_its_word(tokenizer: Any, text: str, words: list[str]) -> None:
    tokens = tokenizer.encode(text)
    pieces = pieces_of(tokenizer, tokens)
    assert [piece.text for piece in pieces] == words
    if words:
        assert [token for piece in pieces for token in piece.tokens] == tokens


def piece(text: str) -> Piece:
    return Piece(text, tuple(range(len(text))))


def test_a_guess_spreads_words_over_what_is_loud() -> None:
    features = np.full((80, 200), -1.0, np.float32)
    features[5, 50:100] = 1.0
    features[5, 150:200] = 1.0
    words = guessed_words([piece("ab"), piece("cd")], features, SPAN, 0.5)
    assert [(word.start_samples, word.end_samples, word.confidence) for word in words] == [
        (960 + 50 * 160, 960 + 100 * 160, 0.5),
        (960 + 150 * 160, 960 + 200 * 160, 0.5),
    ]


@given(st.lists(st.text("abc", min_size=1, max_size=12), max_size=40), st.integers(0, 300), st.integers(0, 5))
def test_guesses_are_in_order_and_within_the_window(texts: list[str], frames: int, seed: int) -> None:
    features = np.random.default_rng(seed).standard_normal((80, frames)).astype(np.float32)
    words = guessed_words([piece(text) for text in texts], features, SPAN, 0.9)
    assert [word.text for word in words] == texts
    edges = [edge for word in words for edge in (word.start_samples, word.end_samples)]
    assert edges == sorted(edges)
    assert all(SPAN.start_samples <= edge <= SPAN.end_samples for edge in edges)


def test_words_begin_where_the_path_comes_to_their_first_token() -> None:
    path = [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (2, 10), (3, 20), (3, 25)]
    alignment = SimpleNamespace(alignments=path, text_token_probs=[0.5, 1.0, 0.25])
    words = aligned_words([Piece("one", (7, 8)), Piece("two", (9,))], alignment, SPAN)
    assert words is not None
    assert [(word.start_samples, word.end_samples, word.confidence) for word in words] == [
        (960 + 320, 960 + 3 * 320, 0.75),
        (960 + 3 * 320, 960 + 20 * 320, 0.25),
    ]


@pytest.mark.parametrize("path", [[], [(0, 0)], [(0, 0), (1, 1)]])
def test_without_a_path_through_all_tokens_there_are_no_times(path: list[tuple[int, int]]) -> None:
    alignment = SimpleNamespace(alignments=path, text_token_probs=[0.5, 1.0])
    assert aligned_words([Piece("one", (7, 8))], alignment, SPAN) is None


def test_what_is_said_over_and_over_in_no_time_is_said_once() -> None:
    features = np.zeros((80, 100), np.float32)
    stuck = [piece(text) for text in ("so", *["thank", "you"] * 9, "bye")]
    kept = without_stuck(stuck, guessed_words(stuck, features, Span(0, 16_000, 0), 1.0))
    assert [each.text for each in kept] == ["so", "thank", "you", "bye"]
    assert without_stuck(kept, guessed_words(kept, features, Span(0, 16_000, 0), 1.0)) == kept
