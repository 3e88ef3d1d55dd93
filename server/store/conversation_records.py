"""Conversations of projects and the chunks they are made of: what the store returns, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from protocol import ids
from protocol.states import ChunkState
from server.store.records import Transcript

BLOBS = "conversations"  # what the keys of all their blobs begin with
ATTEMPTS_MAX = 12  # to write a chunk down, before it is its host's to have it tried again
SETTLED = frozenset({ChunkState.TRANSCRIBED, ChunkState.FAILED, ChunkState.DELETED})
FinishedBy = Literal["participant", "idle"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A transcript that a participant records in a project. ``id`` is the transcript's; ``*_at`` are epoch seconds."""

    id: str
    project_id: str
    name: str
    email: str | None
    tags: tuple[str, ...]  # ids of the project's
    source: str
    redacts: bool  # addresses and numbers of people are taken out of its words
    created_at: float
    seen_at: float  # when something of it came last
    finished_at: float | None  # since when nothing more is expected
    finished_by: FinishedBy | None
    expected_chunks: int | None  # as the participant's device announced
    closed_at: float | None  # all of it is written down


@dataclass(frozen=True, slots=True)
class Overview:
    """A conversation, what is written down of it, and how many of its chunks came, are settled, and were given up."""

    conversation: Conversation
    transcript: Transcript
    chunks_received: int
    chunks_settled: int
    chunks_given_up: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a conversation: a file of sound that becomes a track, or words that were typed.

    ``error``: why it failed or, where it is confirmed, why it waits until ``next_try_at``.
    """

    id: str
    conversation_id: str
    key: str | None  # of its blob; None: typed
    source: str
    filename: str
    content_type: str
    said_at: float | None  # when its sound begins, by the participant's clock; None: not confirmed yet
    length_bytes: int | None
    sha256: str | None
    state: ChunkState
    track_id: str  # that its sound has, or will have
    text: str | None  # typed
    error: str | None
    attempts: int
    created_at: float
    updated_at: float
    next_try_at: float | None = None

    @classmethod
    def announced(
        cls,
        conversation_id: str,
        *,
        filename: str,
        content_type: str,
        source: str,
        now: float,
        length_bytes: int | None = None,
        sha256: str | None = None,
        text: str | None = None,
    ) -> Self:
        """One to come, with ids of its own; with a ``text``, typed."""
        chunk_id = ids.new_chunk_id()
        return cls(
            id=chunk_id,
            conversation_id=conversation_id,
            key=None if text is not None else chunk_key(conversation_id, chunk_id),
            source=source,
            filename=filename,
            content_type=content_type,
            said_at=None,
            length_bytes=length_bytes,
            sha256=sha256,
            state=ChunkState.ANNOUNCED,
            track_id=ids.new_track_id(),
            text=text,
            error=None,
            attempts=0,
            created_at=now,
            updated_at=now,
        )

    @property
    def takes_bytes(self) -> bool:
        """It is not confirmed yet."""
        return self.state in (ChunkState.ANNOUNCED, ChunkState.UPLOADED)

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED

    @property
    def is_given_up(self) -> bool:
        """It was tried often enough, and might be written down another time."""
        return self.state is ChunkState.FAILED and self.attempts >= ATTEMPTS_MAX

    @property
    def is_erased(self) -> bool:
        """It is deleted, and nothing of it is left."""
        return self.state is ChunkState.DELETED and self.key is None and self.text is None


def blobs_of(conversation_id: str) -> str:
    """What the keys of its blobs begin with."""
    return f"{BLOBS}/{conversation_id}"


def chunk_key(conversation_id: str, chunk_id: str) -> str:
    """Of the blob with its bytes."""
    return f"{blobs_of(conversation_id)}/chunks/{chunk_id}"
