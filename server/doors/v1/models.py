"""The forms of what ``/v1`` answers, for the OpenAPI document. Nothing is made from them: see ``doors.openapi``.

A field may be added to an answer at any time, so readers must bear ones that they do not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from server.store.meeting_records import Platform
from server.store.standing import ShareMode

Status = Literal["initializing", "processing", "paused", "completed", "failed"]
ScopeName = Literal["read", "speak", "write", "export", "admin"]
State = Literal["idle", "recording", "paused", "processing", "ended", "failed"]


class Form(BaseModel):
    """Descriptions of fields become part of the document; every field that has no default is always there."""

    model_config = ConfigDict(protected_namespaces=())


class Page(Form):
    total: int = Field(description="How many there are on all pages.", ge=0)
    page: int = Field(description="Number of this page, from 1.", ge=1)
    size: int = Field(description="Most that are on a page.", ge=1)
    pages: int = Field(description="How many pages there are.", ge=0)


class Word(Form):
    text: str
    start: float = Field(description="Seconds on the track.", ge=0)
    end: float = Field(description="Seconds on the track.", ge=0)
    confidence: float = Field(ge=0, le=1)


class Segment(Form):
    """Some words of one speaker, in their newest revision."""

    segment_id: str
    seq: int = Field(description="Number of the event that told it.", ge=1)
    text: str
    speaker: str
    speaker_label: str = Field(description="What the voice was called before somebody named it.")
    speaker_confidence: float | None = Field(
        description="How sure it is whose voice it is; null where voices were not told apart.", ge=0, le=1
    )
    timestamp: float = Field(description="Epoch second of the first word.")
    confidence: float = Field(ge=0, le=1)
    is_final: bool
    start: float = Field(description="Seconds on the track.", ge=0)
    end: float = Field(description="Seconds on the track.", ge=0)
    words: list[Word]
    track: str
    language: str | None
    revision: int = Field(ge=1)
    cut_from: str | None = Field(description="Of what another speaks: the segment that its words were cut from.")
    overlap: list[tuple[float, float]] = Field(
        description="Where two speak at once: from and to, seconds on the track."
    )


class SegmentPage(Page):
    items: list[Segment]


class Message(Form):
    """As it comes on the listening socket: what ``data`` holds depends on ``type``."""

    type: Literal["transcription", "diarization", "status", "summary", "error"]
    seq: int = Field(ge=1)
    data: dict[str, Any]


class MessagePage(Form):
    items: list[Message]
    next_after: int = Field(description="Ask with after= this for what follows.", ge=0)
    last_seq: int = Field(description="Of the newest there is.", ge=0)


class Waveform(Form):
    track: str | None = Field(description="Whose sound it is of; null: of all tracks mixed.")
    duration: float = Field(description="Seconds.", ge=0)
    data: list[float] = Field(description="Peaks from 0 to 1, evenly over the sound.")


class SessionDescription(Form):
    sdp: str
    type: Literal["offer", "answer"]
    session_id: str
    resume_token: str = Field(description="A secret: whoever has it may go on with the session.")


class AnswerTaken(Form):
    session_id: str


class IceServer(Form):
    """As ``RTCPeerConnection`` takes it."""

    urls: list[str]
    username: str = Field(default="", description="Of TURN servers.")
    credential: str = Field(default="", description="Of TURN servers.")


class IceServers(Form):
    ice_servers: list[IceServer]
    ttl_s: int = Field(description="So long the credentials hold.", ge=0)


class Engine(Form):
    """Which recogniser listens, why that one, and how it fares."""

    state: str
    engine: str
    model: str
    device: str
    languages: list[str] = Field(description="Empty: about a hundred.")
    reason: str
    notice: str
    encoder: str | None = Field(description="By which voices at one microphone are told apart; null: they are not.")
    no_encoder: str = Field(description="Why they are not.")
    segmentation: str | None = Field(description="By which is looked for where voices change; null: nobody looks.")
    no_segmentation: str = Field(description="Why nobody does, where something failed.")
    workers: int = Field(ge=0)
    workers_wanted: int = Field(ge=0)
    restarts: int = Field(ge=0)
    lag_ms: int = Field(description="How far the words are behind.", ge=0)


class Model(Form):
    name: str
    kind: Literal["recogniser", "speaker encoder", "speaker segmentation"]
    engine: str
    size_mb: int = Field(ge=0)
    languages: list[str] = Field(description="Empty: about a hundred.")
    license: str
    summary: str
    present: bool = Field(description="Whether it is on this machine.")
    in_use: bool


class ModelPull(Form):
    """How far the fetching of a model is."""

    model: str
    state: Literal["pulling", "done", "failed"]
    done_bytes: int = Field(ge=0)
    total_bytes: int = Field(description="0: not known yet.", ge=0)
    message: str
    progress: float = Field(description="Percent.", ge=0, le=100)


class OpenAiModel(Form):
    id: str
    object: Literal["model"]
    created: int = Field(ge=0)
    owned_by: str


class OpenAiClientSecret(Form):
    value: str = Field(description="The secret.")
    expires_at: int = Field(description="Epoch seconds.")
    session: dict[str, Any] = Field(description="As session.created tells it.")


class ModelList(Form):
    items: list[Model]
    total: int = Field(ge=0)
    pull: ModelPull | None = Field(description="The one that runs or ran last.")
    object: Literal["list"] = Field(description="As OpenAI's clients read it, with data.")
    data: list[OpenAiModel] = Field(description="Those that can be asked for, as OpenAI's clients read it.")


class HealthSessions(Form):
    live: int = Field(ge=0)
    max: int = Field(ge=0)


class HealthDisk(Form):
    free_mb: int
    reserve_mb: int = Field(ge=0)


class Health(Form):
    status: str
    problem: str | None
    timestamp: float = Field(description="When this was so, in epoch seconds.")
    version: str
    engine: Engine
    sessions: HealthSessions
    disk: HealthDisk
    store: Literal["ok", "unavailable"]


class Me(Form):
    """Whom the server takes you for."""

    id: str | None = Field(description="null: nobody in particular, such as the holder of the access token.")
    name: str
    scopes: list[ScopeName]
    is_admin: bool
    auth_mode: Literal["none", "jwt", "oidc"]
    expires_at: datetime | None = Field(description="When the token or key ends; null: never.")
    upload_max_mb: int = Field(description="The largest file that is taken, in MB of 2^20 bytes.")


class ApiKey(Form):
    """A key that a program carries, without the key itself."""

    id: str
    name: str
    user_id: str | None
    scopes: list[ScopeName]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class NewApiKey(ApiKey):
    """A key that was made just now."""

    key: str = Field(description="Shown this once.")


class ApiKeyList(Form):
    items: list[ApiKey]
    total: int = Field(ge=0)


class Ticket(Form):
    ticket: str = Field(description="For ?ticket= in the address of one socket, once.")
    expires_at: datetime


class RoomData(Form):
    name: str = Field(description="Stands in the room's link.")
    platform: Platform
    language: str
    share_mode: ShareMode
    is_shared: bool = Field(description="Whether it is not private.")
    is_locked: bool
    room_mode: str
    recording_type: str
    recording_trigger: str
    skip_consent: bool
    user_id: str | None = Field(description="Its owner.")


class Room(RoomData):
    """A lasting place to meet in. ``data`` holds the same once more."""

    id: str
    created_at: datetime
    updated_at: datetime
    data: RoomData


class RoomPage(Page):
    items: list[Room]


class MeetingData(Form):
    room_id: str
    room_name: str
    platform: Platform
    transcript_id: str | None = Field(description="Where its words are written down.")
    room_url: str = Field(description="Where people go.")
    host_room_url: str | None = Field(description="Where its host goes; told to those who may change the meeting.")
    start_date: datetime
    end_date: datetime = Field(description="When it ends at the latest.")
    ended_at: datetime | None
    is_active: bool
    is_locked: bool
    language: str
    recording_type: str
    recording_trigger: str
    skip_consent: bool
    user_id: str | None = Field(description="Its owner.")


class Meeting(MeetingData):
    """One time that people met in a room. ``data`` holds the same once more."""

    id: str
    created_at: datetime
    updated_at: datetime
    status: Literal["active", "ended"]
    data: MeetingData


class MeetingPage(Page):
    items: list[Meeting]


class ActiveMeetings(RootModel[list[Meeting]]):
    """The meeting that goes on, or none."""


class Joined(Meeting):
    """Who you are in the meeting, and all of the meeting."""

    meeting: Meeting
    participant_id: str
    name: str = Field(description="What you are called there; another one than you asked for where that was taken.")
    token: str = Field(description="A secret: whoever has it is this participant. It is told this once.")
    consent_given: bool | None = Field(description="What you answered about keeping the sound; null: nothing yet.")
    offer_url: str | None = Field(description="Where to send a WebRTC offer; none where somebody else hosts the sound.")
    events_url: str = Field(description="The socket on which the words come.")


class Person(Form):
    id: str
    name: str
    joined_at: datetime
    left_at: datetime | None
    is_here: bool = Field(description="Whether they have not left.")
    connected: bool = Field(description="Whether their sound comes.")
    muted: bool


class People(Form):
    items: list[Person]
    total: int = Field(ge=0)
    sound_kept: bool = Field(description="Whether the sound will be kept, as the answers stand: one denial is enough.")


class ConsentTaken(Form):
    status: Literal["success"]
    consent_id: str
