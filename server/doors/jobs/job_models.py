"""The forms of what those who give jobs are answered, for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from server.doors.v1.models import Form


class ModelHere(Form):
    name: str = Field(description="To name it by; full_name is understood, too.")
    full_name: str
    is_downloaded: bool
    size_mb: float = Field(ge=0)
    description: str
    languages: list[str] = Field(description="Empty: about a hundred.")
    in_use: bool = Field(description="By this one a job is heard that names none.")


class ModelsHere(Form):
    models: list[ModelHere]


class ChunkInfo(Form):
    """A chunk is a minute of the recording."""

    current_chunk: int = Field(description="From 1; 0: none is begun.", ge=0)
    total_chunks: int = Field(description="0: not known.", ge=0)
    chunk_progress: int = Field(description="Percent.", ge=0, le=100)


class JobStatus(Form):
    """What is said of a job that there is not, too: then its status is ``not_found``, and there is no more."""

    job_id: str
    status: Literal["processing", "completed", "failed", "cancelled", "not_found"]
    message: str
    progress: int = Field(description="Percent.", ge=0, le=100)
    updated_at: float = Field(description="Epoch seconds.")
    chunk_info: ChunkInfo | None = None
    filename: str | None = None
    model_name: str | None = None
    created_at: float | None = Field(default=None, description="Epoch seconds.")


class JobShown(JobStatus):
    chunk_info: ChunkInfo
    filename: str
    model_name: str
    created_at: float


class JobList(Form):
    jobs: list[JobShown]
    count: int = Field(ge=0)


class JobWord(Form):
    text: str
    start: float
    end: float
    confidence: float = Field(ge=0, le=1)


class JobSegment(Form):
    start: float = Field(description="Seconds since the beginning.")
    end: float
    text: str
    speaker: str
    speaker_confidence: float | None = Field(description="null: nobody compared voices.")
    start_display: str
    end_display: str
    segment_id: str
    revision: int = Field(ge=1)
    confidence: float = Field(ge=0, le=1)
    language: str | None
    cut_from: str | None = Field(description="Of what another speaks: the segment that its words were cut from.")
    overlap: list[tuple[float, float]] = Field(description="Where two speak at once: from and to, in seconds.")
    words: list[JobWord]


class JobResult(Form):
    status: Literal["completed", "failed", "cancelled"] = Field(description="Of a broken job: the words until then.")
    segments: list[JobSegment]
    text: str
    language: str
    audio_duration: float = Field(description="Seconds.", ge=0)
    model_used: str
    problems: list[str] = Field(description="What went wrong, such as a file that ends early.")


class JobDebug(JobShown):
    cached_segments: int = Field(ge=0)
    latest_time: float = Field(description="Where the last segment ends, in seconds.", ge=0)
    state: str
    audio_duration: float = Field(ge=0)
    language: str
    diarize: bool
    last_seq: int = Field(ge=0)
    cancelled_at: float | None


class HeardAgain(Form):
    segment_id: str
    text: str = Field(description="Empty: nothing was heard; a segment of a job then stays as it was.")
    confidence: float = Field(ge=0, le=1)
    speaker: str | None = Field(description="Of the job's segment; null: a clip does not say.")
    model_used: str
    words: list[JobWord]
    revision: int | None = Field(description="Of the job's segment, as it is now; null: none took another's place.")
