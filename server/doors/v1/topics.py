"""What was talked about: ``/v1/transcripts/{id}/topics``, computed from the words whenever it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import NotFound
from protocol.words import Word
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.documents import conversation_of, json_bytes
from server.services import Services
from server.topics import Part, Topic, runs_of, topics_of

router = APIRouter(tags=["topics"], responses=DOCUMENTED)

TOPICS_MAX = 1000  # in one answer: some fifteen hours of talk
SEGMENTS_MAX = 50_000  # what comes after them is in no topic

Limit = Annotated[int, Query(ge=1, le=TOPICS_MAX, description="Most topics in the answer.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="Topics to leave out at the beginning.")]


def _s(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 3)


def _word_view(word: Word, part: Part) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": _s(word.start_samples),
        "end": _s(word.end_samples),
        "speaker": part.speaker,
        "speaker_label": part.label,
    }


def topic_view(topic: Topic) -> dict[str, Any]:
    return {
        "id": topic.id,
        "title": topic.title,
        "summary": topic.summary,
        "timestamp": _s(topic.start_samples),
        "duration": _s(topic.end_samples - topic.start_samples),
        "transcript": topic.text,
        "segments": [
            {
                "segment_id": part.segment_id,
                "text": part.text,
                "start": _s(part.words[0].start_samples),
                "speaker": part.speaker,
                "speaker_label": part.label,
            }
            for part in topic.parts
        ],
    }


def with_words_view(topic: Topic) -> dict[str, Any]:
    words = [_word_view(word, part) for part in topic.parts for word in part.words]
    return {**topic_view(topic), "words": words}


def per_speaker_view(topic: Topic) -> dict[str, Any]:
    runs = [
        {
            "speaker": part.speaker,
            "speaker_label": part.label,
            "words": [_word_view(word, part) for word in words],
        }
        for part, words in runs_of(topic)
    ]
    return {**topic_view(topic), "words_per_speaker": runs}


async def _answer(services: Services, transcript_id: str, view: Callable[[Sequence[Topic]], Any]) -> Response:
    """Hours of speech take long to read and to lay out: piece by piece, and in a thread."""
    transcript = await services.store.get_transcript(transcript_id)
    said = await conversation_of(services, transcript, segments_max=SEGMENTS_MAX)
    body = await asyncio.to_thread(lambda: json_bytes(view(topics_of(said.segments, said.offsets))))
    return Response(body, media_type="application/json")


@router.get("/v1/transcripts/{transcript_id}/topics", dependencies=[entry(Action.READ)])
async def list_topics(request: Request, transcript_id: str, limit: Limit = TOPICS_MAX, offset: Offset = 0) -> Response:
    """In the order of time. A topic keeps its id; the last one grows while there is talk."""
    return await _answer(
        services_of(request), transcript_id, lambda found: [topic_view(each) for each in found[offset : offset + limit]]
    )


@router.get("/v1/transcripts/{transcript_id}/topics/with-words", dependencies=[entry(Action.READ)])
async def list_topics_with_words(
    request: Request, transcript_id: str, limit: Limit = TOPICS_MAX, offset: Offset = 0
) -> Response:
    """The same, each with its words and their times."""
    return await _answer(
        services_of(request),
        transcript_id,
        lambda found: [with_words_view(each) for each in found[offset : offset + limit]],
    )


@router.get("/v1/transcripts/{transcript_id}/topics/{topic_id}/words-per-speaker", dependencies=[entry(Action.READ)])
async def topic_words_per_speaker(request: Request, transcript_id: str, topic_id: str) -> Response:
    """One topic, its words in turns: who says them, one after the other."""

    def view(found: Sequence[Topic]) -> dict[str, Any]:
        for topic in found:
            if topic.id == topic_id:
                return per_speaker_view(topic)
        raise NotFound("no such topic", details={"topic_id": topic_id[:64]})

    return await _answer(services_of(request), transcript_id, view)
