"""Jobs and answers about transcripts as their clients see them."""

from __future__ import annotations

from typing import Any

from protocol.blocks import seconds
from protocol.states import SummaryState
from server.language_models.catalogue import Listed
from server.language_models.chat import Reply
from server.language_models.extractive import EXTRACTIVE
from server.language_models.lines import Line
from server.store.summary_job_store import SummaryJob

WITHOUT_MODEL = "No language model: it only quotes the passages of the transcript that fit the question best."
BY_MODEL = "A language model, at the address that whoever runs this server chose."


def started_view(job: SummaryJob) -> dict[str, Any]:
    return {"job_id": job.id, "status": job.state.value, "message": "The summary is being made."}


def status_view(job: SummaryJob, progress: int) -> dict[str, Any]:
    return {"job_id": job.id, "status": job.state.value, "message": _message(job, progress), "progress": progress}


def _message(job: SummaryJob, progress: int) -> str:
    match job.state:
        case SummaryState.PROCESSING:
            return f"The summary is being made ({progress}%)."
        case SummaryState.COMPLETED:
            return "The summary is made."
        case SummaryState.FAILED:
            return f"No summary could be made: {(job.error or {}).get('message', '')}"


def models_view(listed: Listed) -> dict[str, Any]:
    models = [
        {"id": each, "name": each.title(), "description": WITHOUT_MODEL}
        if each == EXTRACTIVE
        else {"id": each, "name": each, "description": BY_MODEL}
        for each in listed.models
    ]
    return {"models": models, "problem": listed.problem or None}


def reply_view(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "message": {"role": "assistant", "content": reply.text},
        "model_used": reply.model,
        "usage": {
            "prompt": usage.prompt,
            "completion": usage.completion,
            "total": usage.total,
            "estimated": usage.is_estimated,
        },
        "quotes": [_quote_view(line) for line in reply.quotes],
        "finish_reason": "stop" if reply.is_whole else "length",
        "parts": reply.parts,
        "parts_read": reply.parts_read,
    }


def _quote_view(line: Line) -> dict[str, Any]:
    return {
        "start": None if line.start_samples is None else round(seconds(line.start_samples), 3),
        "end": None if line.end_samples is None else round(seconds(line.end_samples), 3),
        "text": line.text,
        "speaker": line.speaker or None,
    }
