"""The messages that docs/sockets.md shows, made by the codecs themselves.

``python -m tests.wire_examples`` writes them into the document again; ``tests/test_docs.py`` keeps them equal.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from protocol.errors import Replaced, SlowReader
from protocol.events import (
    Event,
    EventBody,
    Failed,
    Interim,
    ParticipantActed,
    SpeakerTurn,
    StatusChanged,
    Summarised,
    Transcribed,
)
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.states import TranscriptState
from protocol.wire import stream, v1
from protocol.words import Segment, Word

DOCUMENT = Path(__file__).parent.parent / "docs" / "sockets.md"
BLOCK = re.compile(r"(<!-- example: ([\w-]+) -->\n```json\n)(.*?)(```)", re.DOTALL)

TRANSCRIPT_ID = "0b7e2f9c-5a41-4c1d-9a60-3f1f4f6c2d11"
BEGAN_AT = 1_767_225_600.0

_WORDS = (
    Word(text="good", start_samples=14_400, end_samples=19_200, confidence=0.98),
    Word(text="morning", start_samples=19_200, end_samples=27_200, confidence=0.95),
)


def _segment(*, is_final: bool) -> Segment:
    words = _WORDS if is_final else _WORDS[:1]
    return Segment(
        segment_id="seg_5f0c1d2e3a4b5c6d",
        track="trk_00a1b2c3d4e5f607",
        text=" ".join(word.text for word in words),
        start_samples=14_400,
        end_samples=words[-1].end_samples,
        is_final=is_final,
        words=words,
        speaker="Anna",
        language="en",
        confidence=0.96,
    )


def _event(seq: int, body: EventBody) -> dict[str, Any]:
    return v1.render(Event(transcript_id=TRANSCRIPT_ID, seq=seq, at=BEGAN_AT + 2, body=body))


def examples() -> dict[str, dict[str, Any]]:
    """By name, each as a server sends it."""
    status = StatusChanged(state=TranscriptState.RECORDING, message="listening", engine="pocketsphinx", audio="live")
    return {
        "interim": v1.render_interim(
            Interim(
                transcript_id=TRANSCRIPT_ID, segment=_segment(is_final=False), track_started_at=BEGAN_AT, lag_ms=180
            )
        ),
        "final": _event(3, Transcribed(segment=_segment(is_final=True), track_started_at=BEGAN_AT)),
        "diarization": _event(
            2,
            SpeakerTurn(
                speaker="Anna",
                speaker_id="spk_anna",
                track="trk_00a1b2c3d4e5f607",
                start_samples=14_400,
                end_samples=27_200,
                track_started_at=BEGAN_AT,
            ),
        ),
        "status": _event(1, status),
        "status-answer": v1.render_status(status, lag_ms=180),
        "summary": _event(9, Summarised(summary="They greeted each other.", topics=("greeting",))),
        "participant": _event(
            6,
            ParticipantActed(
                action=ParticipantAction.CHAT_MESSAGE,
                participant=MeetingParticipant(id=16_778_240, name="Anna", is_host=True, platform="zoom"),
                relative_s=12.48,
                at=BEGAN_AT + 12.48,
                text="Here is the link.",
                to="everyone",
            ),
        ),
        "error-event": _event(4, Failed(code="ENGINE_FAILED", message="the recogniser is being restarted")),
        "error-closing": v1.render_error(
            SlowReader("you read too slowly; come back with after=41", details={"last_seq": 41}), recoverable=True
        ),
        "replaced": v1.render_error(Replaced("another connection took this session over"), recoverable=False),
        "ping": v1.render_ping(BEGAN_AT + 10),
        "started": stream.started(
            session_id="ses_9a8b7c6d5e4f3021",
            resume_token="keep-this-secret",
            position=0,
            max_message_bytes=262_144,
            keepalive_s=10.0,
            catch_up_factor=8.0,
        ),
        "ack": stream.ack(48_000),
        "finalized": stream.finalized(96_000),
        "stopped": stream.stopped(duration_s=26.51, segments=6, words=88),
    }


def written(text: str) -> str:
    """The document with every named example as it is now. Raises ``KeyError`` for a name there is not."""
    made = examples()

    def fill(match: re.Match[str]) -> str:
        body = json.dumps(made[match[2]], ensure_ascii=False, indent=2)
        # Words are many and alike: one a line reads better.
        body = re.sub(r"\{\s+\"text\": (.*?),\s+\"start\": (.*?),\s+\"end\": (.*?),\s+\"confidence\": ([\d.]+)\s+\}",
                      r'{"text": \1, "start": \2, "end": \3, "confidence": \4}', body)  # fmt: skip
        return f"{match[1]}{body}\n{match[4]}"

    return BLOCK.sub(fill, text)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
