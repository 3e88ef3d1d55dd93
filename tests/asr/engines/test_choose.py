from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asr.engines import choose as choosing
from asr.engines.choose import choose, load, workers_max
from asr.models import CATALOGUE
from asr.worker_settings import WorkerSettings
from protocol.errors import EngineFailed, ModelDamaged
from tests.fakes.tiny_transducer import build_tiny_transducer


def put(models_dir: Path, *names: str) -> Path:
    for name in names:
        for file in CATALOGUE[name].needed:
            (models_dir / name).mkdir(parents=True, exist_ok=True)
            (models_dir / name / file).touch()
    return models_dir


def test_with_nothing_fetched_the_embedded_one_says_what_would_be_better(tmp_path: Path) -> None:
    choice = choose("auto", "en", tmp_path, gpu=False)
    assert (choice.name, choice.engine) == ("embedded-en", "pocketsphinx")
    assert "earshot models pull whisper-base.en" in choice.notice
    assert "earshot models pull whisper-large-v3-turbo" in choose("auto", "en", tmp_path, gpu=True).notice
    assert "only English" in choose("auto", "de", tmp_path, gpu=False).notice


def test_the_language_decides_first(tmp_path: Path) -> None:
    put(tmp_path, "whisper-tiny", "whisper-base.en")
    assert choose("auto", "de", tmp_path, gpu=True).name == "whisper-tiny"
    assert choose("auto", "auto", tmp_path, gpu=True).name == "whisper-tiny"
    assert choose("auto", "en-GB", tmp_path, gpu=True).name == "whisper-base.en"


def test_of_the_same_size_the_model_of_one_language_wins(tmp_path: Path) -> None:
    put(tmp_path, "whisper-tiny", "whisper-tiny.en")
    assert choose("auto", "en", tmp_path, gpu=False).name == "whisper-tiny.en"


@pytest.mark.parametrize(
    ("cores", "name"),
    [(1, "whisper-base"), (2, "whisper-base"), (4, "whisper-small"), (64, "whisper-small")],
)
def test_without_a_gpu_the_largest_that_keeps_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, name: str
) -> None:
    monkeypatch.setattr(choosing, "cores", lambda: cores)
    put(tmp_path, "whisper-tiny", "whisper-base", "whisper-small", "whisper-large-v3")
    assert choose("auto", "en", tmp_path, gpu=False).name == name


def test_a_streaming_transducer_goes_before_the_tiny_whisper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "cores", lambda: 2)
    put(tmp_path, "zipformer-en", "zipformer-en-fp32", "whisper-tiny", "whisper-tiny.en")
    choice = choose("auto", "en", tmp_path, gpu=False)
    assert (choice.name, choice.engine, choice.device) == ("zipformer-en", "sherpa-onnx", "cpu")
    assert choose("zipformer-en-fp32", "en", tmp_path, gpu=True).device == "cpu"
    assert choose("auto", "de", tmp_path, gpu=False).name == "whisper-tiny"
    put(tmp_path, "whisper-base.en")
    assert choose("auto", "en", tmp_path, gpu=False).name == "whisper-base.en"


def test_without_its_package_a_model_is_not_chosen_and_its_name_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "find_spec", lambda package: None)
    put(tmp_path, "zipformer-en")
    assert choose("auto", "en", tmp_path, gpu=False).name == "embedded-en"
    with pytest.raises(EngineFailed, match=r"pip install 'earshot\[sherpa\]'"):
        choose("zipformer-en", "en", tmp_path)


def test_riva_is_taken_by_its_name_and_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = choose("riva", "de", tmp_path)
    assert (choice.engine, choice.device, workers_max(choice)) == ("riva", "remote", 1)
    assert choose("auto", "de", tmp_path, gpu=False).engine != "riva"
    monkeypatch.setattr(choosing, "find_spec", lambda package: None)
    with pytest.raises(EngineFailed, match=r"pip install 'earshot\[riva\]'"):
        choose("riva", "en", tmp_path)


def test_a_streaming_transducer_is_loaded(tmp_path: Path) -> None:
    needed = CATALOGUE["zipformer-en"].needed
    assert needed[0].startswith("encoder-")
    build_tiny_transducer(tmp_path / "zipformer-en", stem=needed[1][len("decoder") : -len(".onnx")], number=".int8")
    choice = choose("zipformer-en", "en", tmp_path)
    engine = load(choice, WorkerSettings(engine="zipformer-en", models_dir=tmp_path))
    assert (engine.info.name, engine.info.model, engine.info.streaming) == ("sherpa-onnx", "zipformer-en", True)
    assert engine.info.workers_max >= 1


def test_a_model_that_is_too_slow_is_used_and_it_is_said(tmp_path: Path) -> None:
    choice = choose("auto", "en", put(tmp_path, "whisper-large-v3"), gpu=False)
    assert choice.name == "whisper-large-v3"
    assert "too slow" in choice.reason


def test_a_gpu_takes_turbo(tmp_path: Path) -> None:
    put(tmp_path, "whisper-large-v3", "whisper-large-v3-turbo", "whisper-tiny")
    choice = choose("auto", "en", tmp_path, gpu=True)
    assert (choice.name, choice.device, choice.notice) == ("whisper-large-v3-turbo", "cuda", "")


def test_a_model_asked_for_by_name(tmp_path: Path) -> None:
    put(tmp_path, "whisper-tiny.en")
    assert choose("whisper-tiny.en", "en", tmp_path, gpu=False).path == tmp_path / "whisper-tiny.en"
    assert "only English" in choose("whisper-tiny.en", "de", tmp_path, gpu=False).notice
    assert choose("embedded-en", "en", tmp_path).engine == "pocketsphinx"
    assert choose("scripted-slow", "en", tmp_path).engine == "scripted"
    with pytest.raises(EngineFailed, match="earshot models pull whisper-base"):
        choose("whisper-base", "en", tmp_path)
    with pytest.raises(EngineFailed, match="there are"):
        choose("nonsense", "en", tmp_path)


def test_an_engine_asked_for_by_name_is_as_auto_among_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineFailed, match=r"no model of faster-whisper .* one of .*whisper-base\.en"):
        choose("faster-whisper", "en", tmp_path, gpu=False)
    put(tmp_path, "zipformer-en", "whisper-tiny", "whisper-base")
    monkeypatch.setattr(choosing, "cores", lambda: 2)
    chosen = {
        name: choose(name, "en", tmp_path, gpu=False) for name in ("pocketsphinx", "sherpa-onnx", "faster-whisper")
    }
    assert {name: (choice.engine, choice.name) for name, choice in chosen.items()} == {
        "pocketsphinx": ("pocketsphinx", "embedded-en"),
        "sherpa-onnx": ("sherpa-onnx", "zipformer-en"),
        "faster-whisper": ("faster-whisper", "whisper-base"),
    }
    broken = {"whisper-base": "it broke"}
    fallen = choose("faster-whisper", "en", tmp_path, gpu=False, broken=broken)
    assert (fallen.name, "it broke" in fallen.notice) == ("whisper-tiny", True)
    with pytest.raises(EngineFailed, match="it broke"):
        choose("faster-whisper", "en", tmp_path, gpu=False, broken=broken | {"whisper-tiny": "it broke, too"})
    monkeypatch.setattr(choosing, "find_spec", lambda package: None)
    with pytest.raises(EngineFailed, match=r"pip install 'earshot\[sherpa\]'"):
        choose("sherpa-onnx", "en", tmp_path, gpu=False)


def test_what_tells_voices_apart_is_no_recogniser(tmp_path: Path) -> None:
    put(tmp_path, "campplus", "wespeaker-resnet34")
    assert choose("auto", "zh", tmp_path, gpu=False).name == "embedded-en"
    with pytest.raises(EngineFailed, match="no recogniser is called 'campplus'"):
        choose("campplus", "en", tmp_path)


def test_auto_passes_over_a_folder_that_is_not_whole_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, "whisper-base.en", "whisper-tiny.en")
    (tmp_path / "whisper-base.en" / "tokenizer.json").unlink()
    choice = choose("auto", "en", tmp_path, gpu=False)
    assert choice.name == "whisper-tiny.en"
    assert "whisper-base.en is damaged (tokenizer.json missing)" in choice.notice
    assert "`earshot models pull whisper-base.en`" in choice.notice
    # What would not have been taken anyway is nobody's concern.
    put(tmp_path, "whisper-base.en")
    (tmp_path / "whisper-tiny.en" / "model.bin").unlink()
    choice = choose("auto", "en", tmp_path, gpu=False)
    assert (choice.name, choice.notice) == ("whisper-base.en", "")


def test_auto_passes_over_what_could_not_be_loaded(tmp_path: Path) -> None:
    put(tmp_path, "whisper-base.en", "whisper-tiny.en")
    choice = choose("auto", "en", tmp_path, gpu=False, broken={"whisper-base.en": "half of it"})
    assert choice.name == "whisper-tiny.en"
    assert "half of it" in choice.notice
    both = {"whisper-base.en": "half of it", "whisper-tiny.en": "none of it"}
    choice = choose("auto", "en", tmp_path, gpu=False, broken=both)
    assert choice.name == "embedded-en"
    assert "half of it" in choice.notice
    assert "none of it" in choice.notice
    assert "earshot models pull" in choice.notice


def test_a_damaged_model_asked_for_by_name_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    put(tmp_path, "whisper-base.en", "whisper-tiny.en")
    (tmp_path / "whisper-base.en" / "tokenizer.json").unlink()
    with pytest.raises(ModelDamaged, match=r"tokenizer\.json missing.*`earshot models pull whisper-base\.en`"):
        choose("whisper-base.en", "en", tmp_path, gpu=False)


def test_choosing_loads_no_engine(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from asr.engines.choose import choose; import asr.models\n"
        f"choose('auto', 'en', pathlib.Path({str(tmp_path)!r}), gpu=False)\n"
        "libraries = {'ctranslate2', 'faster_whisper', 'pocketsphinx', 'onnxruntime', 'sherpa_onnx'}\n"
        "libraries.add('huggingface_hub')\n"
        "heavy = libraries & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
