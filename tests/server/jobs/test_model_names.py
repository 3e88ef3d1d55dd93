from __future__ import annotations

import pytest

from asr.models import RECOGNISERS
from protocol.errors import NotFound
from server.jobs.model_names import find_model, full_name, short_name


@pytest.mark.parametrize("name", ["tiny.en", "whisper-tiny.en", "openai/whisper-tiny.en", " tiny.en "])
def test_a_model_goes_by_each_of_its_names(name: str) -> None:
    assert find_model(name).name == "whisper-tiny.en"


@pytest.mark.parametrize("name", RECOGNISERS)
def test_what_is_shown_is_understood(name: str) -> None:
    model = RECOGNISERS[name]
    assert find_model(short_name(name)) is model
    assert name.startswith("zipformer") or find_model(full_name(model)) is model


@pytest.mark.parametrize("name", ["", "gpt-4", "../whisper-tiny.en", "whisper-whisper-tiny.en", "campplus"])
def test_another_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(NotFound, match=r"tiny\.en"):
        find_model(name)
