"""The inference process as it is: started, spoken to over its socket, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jiwer
import pytest

import asr.engines.choose
import asr.worker
from asr import wire
from asr.contract import SessionOptions
from asr.engines.choose import has_gpu
from asr.engines.scripted import CRASH_STATUS
from asr.inbox import Frame, Inbox
from asr.worker import NICENESS, _load
from asr.worker_settings import WorkerSettings
from protocol.errors import EngineFailed, ModelDamaged
from tests.fakes.scripted_sound import blocks_of, scripted_sound, scripted_words, sentence
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.tiny_whisper import build_tiny_whisper
from tests.fakes.worker_link import WorkerLink, finals


def settings(tmp_path: Path, engine: str = "scripted") -> WorkerSettings:
    return WorkerSettings(engine=engine, models_dir=tmp_path)


def is_marker(message: wire.FromWorker) -> bool:
    return isinstance(message, wire.Marker)


def is_first(message: wire.FromWorker) -> bool:
    return isinstance(message, wire.Ready | wire.Broken)


def test_words_come_back_and_shutdown_ends_it(tmp_path: Path) -> None:
    words = [*sentence("good morning river"), *sentence("silver ocean", 3.0)]
    with WorkerLink(settings(tmp_path)) as link:
        link.open()  # before it is ready
        for block in blocks_of(scripted_sound(words)):
            link.audio(block.start_samples, block.pcm)
        link.finalize(3)
        messages = link.until(is_marker)
        assert isinstance(messages[0], wire.Ready)
        assert messages[0].engine == "scripted"
        assert os.getpriority(os.PRIO_PROCESS, link.process.pid) >= NICENESS
        assert [word for heard in finals(messages) for word in heard.words] == scripted_words(words)
        link.send(wire.Ping(number=9))
        assert link.until(lambda message: isinstance(message, wire.Pong))
        link.send(wire.Shutdown())
        assert link.until(lambda message: False) == []
        assert link.process.wait(10) == 0


def test_a_crash_is_a_crash(tmp_path: Path) -> None:
    with WorkerLink(settings(tmp_path)) as link:
        link.open()
        link.audio(0, scripted_sound([("crash", 0.5)]))
        link.finalize()
        link.until(is_marker)
        assert link.process.wait(10) == CRASH_STATUS


def test_it_ends_with_its_socket_whatever_it_does(tmp_path: Path) -> None:
    with WorkerLink(settings(tmp_path)) as link:
        link.until(is_first)
        link.open()
        link.audio(0, scripted_sound([("hang", 0.5)]))
        link.finalize()
        link.socket.shutdown(socket.SHUT_RDWR)
        assert link.process.wait(10) == 0


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ("scripted-broken", "asked not to load"),
        ("whisper-base", "earshot models pull whisper-base"),
        ("nonsense", "auto"),
    ],
)
def test_what_cannot_be_loaded_is_said(tmp_path: Path, engine: str, says: str) -> None:
    with WorkerLink(settings(tmp_path, engine)) as link:
        [broken] = link.until(is_first)
        assert isinstance(broken, wire.Broken)
        assert says in broken.message
        assert link.process.wait(10) == 1


def test_a_hole_in_the_sound_is_refused(tmp_path: Path) -> None:
    with WorkerLink(settings(tmp_path)) as link:
        link.open()
        link.audio(16_000, bytes(3200))
        broken = link.until(lambda message: isinstance(message, wire.Broken))[-1]
        assert isinstance(broken, wire.Broken)
        assert broken.code == "PROTOCOL"


def test_speech_becomes_its_words_out_of_the_box(tmp_path: Path) -> None:
    sample = spoken_sample()
    turns = sample.turns[:2]
    until = round((turns[-1][1] + 0.3) * 16_000)
    with WorkerLink(settings(tmp_path, "auto")) as link:
        link.open(options=SessionOptions(lane="file"))
        for block in blocks_of(sample.samples[:until].tobytes(), block_samples=16_000):
            link.audio(block.start_samples, block.pcm)
        link.finalize()
        messages = link.until(is_marker)
    ready = messages[0]
    assert isinstance(ready, wire.Ready)
    assert "earshot models pull" in ready.notice
    heard = finals(messages)
    said = " ".join(text for _, _, text in turns)
    assert jiwer.wer(said, " ".join(word.text for each in heard for word in each.words)) <= 0.1
    assert len(heard) == len(turns)
    for each, (start_s, end_s, _) in zip(heard, turns, strict=True):
        assert each.start_samples / 16_000 == pytest.approx(start_s, abs=0.25)
        assert each.end_samples / 16_000 == pytest.approx(end_s, abs=0.25)


def test_a_fetched_model_is_used_and_runs(tmp_path: Path) -> None:
    build_tiny_whisper(tmp_path / "whisper-tiny.en")
    with WorkerLink(settings(tmp_path, "auto")) as link:
        link.open(options=SessionOptions(lane="file"))
        for block in blocks_of(spoken_sample().samples[: 4 * 16_000].tobytes(), block_samples=16_000):
            link.audio(block.start_samples, block.pcm)
        link.finalize()
        messages = link.until(is_marker)
    ready = messages[0]
    assert isinstance(ready, wire.Ready)
    assert (ready.engine, ready.model) == ("faster-whisper", "whisper-tiny.en")
    assert len(finals(messages)) == 1


def test_a_gpu_that_cannot_be_used_is_left_for_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if has_gpu():
        pytest.skip("this machine's GPU works")
    monkeypatch.setattr(asr.engines.choose, "has_gpu", lambda: True)
    build_tiny_whisper(tmp_path / "whisper-tiny.en")
    monkeypatch.setattr(asr.worker, "_stand_back", lambda: None)
    choice, engine = _load(settings(tmp_path, "auto"))
    assert (choice.device, engine.info.device) == ("cpu", "cpu")
    assert "GPU could not be used" in choice.notice
    with pytest.raises(EngineFailed, match="cuda"):
        _load(settings(tmp_path, "whisper-tiny.en"))


def test_speech_without_a_pause_is_cut_so_that_no_final_of_the_embedded_engine_takes_long(tmp_path: Path) -> None:
    sample = spoken_sample()
    turns = sample.turns[:4]
    sound = b"".join(
        sample.samples[round(start_s * 16_000) : round(end_s * 16_000)].tobytes() for start_s, end_s, _ in turns
    )
    with WorkerLink(settings(tmp_path, "embedded-en")) as link:
        link.open(options=SessionOptions(lane="file"))
        for block in blocks_of(sound, block_samples=16_000):
            link.audio(block.start_samples, block.pcm)
        link.finalize()
        heard = finals(link.until(is_marker))
    lengths_s = [(each.end_samples - each.start_samples) / 16_000 for each in heard]
    assert sum(lengths_s) > 12
    assert max(lengths_s) <= 7
    said = " ".join(text for _, _, text in turns)
    assert jiwer.wer(said, " ".join(word.text for each in heard for word in each.words)) <= 0.25


@pytest.mark.parametrize("file", ["model.bin", "tokenizer.json", "config.json"])
def test_in_place_of_a_damaged_model_the_next_best_is_heard_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Half a file, as a full disk or a broken copy leaves it."""
    monkeypatch.setattr(asr.worker, "_stand_back", lambda: None)
    build_tiny_whisper(tmp_path / "whisper-tiny.en")
    damaged = build_tiny_whisper(tmp_path / "whisper-base.en") / file
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    choice, engine = _load(settings(tmp_path, "auto"))
    assert engine.info.model == choice.name == "whisper-tiny.en"
    assert "Not whisper-base.en" in choice.notice
    assert "earshot models pull whisper-base.en" in choice.notice
    with pytest.raises(ModelDamaged, match=r"earshot models pull whisper-base\.en"):
        _load(settings(tmp_path, "whisper-base.en"))


def test_when_every_model_is_damaged_the_embedded_one_is_heard_with_and_all_is_told(tmp_path: Path) -> None:
    for name in ("whisper-tiny.en", "whisper-base.en"):
        (build_tiny_whisper(tmp_path / name) / "model.bin").write_bytes(b"nonsense")
    with WorkerLink(settings(tmp_path, "auto")) as link:
        ready = link.until(is_first)[-1]
    assert isinstance(ready, wire.Ready)
    assert ready.engine == "pocketsphinx"
    assert all(f"Not {name}" in ready.notice for name in ("whisper-tiny.en", "whisper-base.en"))


def test_it_stands_back_before_the_engine_begins_its_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(asr.worker, "_stand_back", lambda: order.append("stand back"))
    monkeypatch.setattr(asr.worker, "load", lambda choice, settings: order.append("load"))
    _load(settings(tmp_path))
    assert order == ["stand back", "load"]


def test_a_full_inbox_holds_its_reader_back() -> None:
    inbox = Inbox(max_bytes=10)
    inbox.put(Frame(0, b"", b"x" * 100))  # a single frame always fits
    held = threading.Thread(target=inbox.put, args=(Frame(0, b"", b"y"),))
    held.start()
    assert inbox.take(5.0) == [(0, b"", b"x" * 100)]
    held.join(5.0)
    assert inbox.take(5.0) == [(0, b"", b"y")]
    assert inbox.take(0.0) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told what its allocator keeps")
@pytest.mark.parametrize("thread", ["run()", "thread = threading.Thread(target=run); thread.start(); thread.join()"])
def test_memory_that_was_freed_is_kept(thread: str) -> None:
    """Or every large tensor would be faulted in anew."""
    program = f"""if True:
        import resource, threading
        from asr.worker import keep_memory

        def run():
            bytearray(b"x") * (96 << 20)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(4):
                bytearray(b"x") * (96 << 20)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

        keep_memory()
        {thread}
    """
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert int(said.stdout) < 96  # in pages of 4 kB it would be 98304, in huge ones 192
