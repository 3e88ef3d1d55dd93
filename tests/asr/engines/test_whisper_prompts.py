from __future__ import annotations

from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from asr.engines.whisper_prompts import (
    BEFORE_TOKENS,
    ENCODER_FRAMES,
    FRAMES_MAX,
    MARGIN_FRAMES,
    NEW_TOKENS_MAX,
    POSITIONS,
    PREVIOUS_MAX,
    Prompts,
    encoder_frames,
    max_length,
    tokens_max,
)
from tests.fakes.random_whisper import build_random_whisper


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_random_whisper(tmp_path_factory.mktemp("models") / "micro", multilingual=True)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture
def prompts(tokenizer: Any) -> Prompts:
    return Prompts(tokenizer, multilingual=True)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("short", [True, False])
def test_no_length_is_taken_for_features_and_every_sound_fits(mels: int, short: bool) -> None:
    for frames in range(FRAMES_MAX + 1):
        length = encoder_frames(frames, mels=mels, short=short)
        assert (length + 1) // 2 != mels
        assert length in (ENCODER_FRAMES if short else (FRAMES_MAX,))
        assert length == FRAMES_MAX or length >= frames + MARGIN_FRAMES


@pytest.mark.parametrize("mels", [200, 300, 400, 500, 750, 1000])
def test_a_length_that_would_be_taken_for_features_is_skipped(mels: int) -> None:
    assert encoder_frames(2 * mels - MARGIN_FRAMES, mels=mels, short=True) > 2 * mels


def test_lengths_are_as_short_as_the_margin_lets_them_be() -> None:
    lengths = [encoder_frames(frames, mels=80, short=True) for frames in (0, 144, 145, 500, 1244, 2395)]
    assert lengths == [400, 400, 600, 800, 1500, FRAMES_MAX]


@given(st.integers(0, FRAMES_MAX), st.sampled_from(["en", "th", None]))
def test_what_a_row_may_say_fits_in_what_its_call_may_say(frames: int, language: str | None) -> None:
    length = encoder_frames(frames, mels=80, short=True)
    room = tokens_max(length - MARGIN_FRAMES if length < FRAMES_MAX else FRAMES_MAX, language)
    assert 16 <= tokens_max(frames, language) <= room <= tokens_max(FRAMES_MAX, None) == NEW_TOKENS_MAX


@given(st.lists(st.text(min_size=1, max_size=40), max_size=6), st.text(max_size=600), st.sampled_from(["en", "de"]))
def test_every_prompt_has_room_and_one_of_few_lengths(
    tokenizer: Any, hotwords: list[str], before: str, language: str
) -> None:
    prompts = Prompts(tokenizer, multilingual=True)
    previous = prompts.previous(hotwords, before)
    prompt = prompts.prompt(previous, language)
    assert len(previous) <= PREVIOUS_MAX
    assert len(prompt) + NEW_TOKENS_MAX <= POSITIONS
    assert prompt.index(prompts.tokenizer("en").sot) == len(previous)
    if not " ".join(hotwords).strip():
        assert max(0, len(previous) - 1) in BEFORE_TOKENS


def test_the_end_of_the_text_before_is_told_and_all_hotwords(prompts: Prompts) -> None:
    encode = prompts.tokenizer("en").encode
    before = "one two three four five six seven"
    previous = prompts.previous((), before)
    assert previous == [prompts.tokenizer("en").sot_prev, *encode(" " + before)[-24:]]
    hot = encode(" Earshot Zbigniew")
    assert prompts.previous(("Earshot", "Zbigniew"), before)[1:] == [*hot, *encode(" " + before)[-24:]]
    many = ["Llanfairpwllgwyngyll"] * 10
    assert prompts.previous(many, before)[1:-8] == encode(" " + " ".join(many))
    assert prompts.previous((), "") == prompts.previous((" ",), " ") == []


def test_prompts_that_would_be_refused_are_not_made(prompts: Prompts, tokenizer: Any) -> None:
    for bad in ([tokenizer.get_vocab_size()], [-1], [1] * (PREVIOUS_MAX + 2)):
        with pytest.raises(ValueError, match="a prompt"):
            prompts.prompt(bad, "en")


def test_it_knows_the_languages_of_the_model(prompts: Prompts, tokenizer: Any) -> None:
    assert prompts.knows("en")
    assert not prompts.knows("yue")  # a language of Whisper, but not of this vocabulary
    assert not prompts.knows("klingon")
    english = Prompts(tokenizer, multilingual=False)
    assert english.knows("en")
    assert not english.knows("de")
    assert len(english.start("en")) == 1
    assert len(prompts.start("en")) == 3


@pytest.mark.parametrize("previous", [0, 1, 9, 60, 222])
@pytest.mark.parametrize("new_tokens", [1, 16, 90, NEW_TOKENS_MAX])
def test_there_is_room_for_so_many_tokens_and_no_more(
    folder: Path, prompts: Prompts, previous: int, new_tokens: int
) -> None:
    """CTranslate2 gives but half of what it is asked for to new tokens."""
    network = ctranslate2.models.Whisper(str(folder), compute_type="int8", intra_threads=1)
    features = ctranslate2.StorageView.from_array(np.zeros((1, 80, 500), np.float32))
    told = [prompts.tokenizer("en").sot_prev, *[60] * (previous - 1)][:previous]
    prompt = prompts.prompt(told, "en")
    [result] = network.generate(
        features,
        [prompt],
        beam_size=1,
        max_length=max_length(len(prompt), new_tokens),
        suppress_tokens=[prompts.tokenizer("en").eot],
    )
    assert len(result.sequences_ids[0]) == new_tokens
