"""The forms of what those who send bots are answered, for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from server.doors.v1.models import Form


class MediaStatus(Form):
    code: Literal["processing", "done", "failed", "paused"]
    sub_code: str | None
    updated_at: str = Field(description="ISO 8601 in UTC, as all times here.")


class TranscriptLinks(Form):
    """Addresses are signed and expire; null until the recording is done."""

    download_url: str | None
    provider_data_download_url: str | None


class ParticipantEventsLinks(Form):
    """As TranscriptLinks."""

    participants_download_url: str | None
    participant_events_download_url: str | None
    speaker_timeline_download_url: str | None


class _Media(Form):
    id: str
    created_at: str
    status: MediaStatus
    metadata: dict[str, str]


class TranscriptMedia(_Media):
    data: TranscriptLinks


class ParticipantEventsMedia(_Media):
    data: ParticipantEventsLinks


class FileLinks(Form):
    """As TranscriptLinks: of audio_mixed the sound, of the others a document that lists parts."""

    download_url: str | None


class FileMedia(_Media):
    data: FileLinks


class MediaShortcuts(Form):
    transcript: TranscriptMedia
    participant_events: ParticipantEventsMedia
    audio_mixed: FileMedia
    video_mixed: None = Field(description="Not made here.")
    meeting_metadata: None = Field(description="Not made here.")


class BotNamed(Form):
    id: str
    metadata: dict[str, str]


class RecordingNamed(Form):
    id: str
    metadata: dict[str, str]


class BotRecording(Form):
    id: str = Field(description="Also that of its transcript, by which words are followed live.")
    created_at: str
    started_at: str | None = Field(description="When the recording began: all its times are counted from then.")
    completed_at: str | None
    expires_at: str | None
    status: MediaStatus
    media_shortcuts: MediaShortcuts
    realtime_endpoints: list[RecordingNamed]
    bot: BotNamed
    metadata: dict[str, str]


class BotShown(Form):
    id: str
    bot_name: str
    meeting_url: str | None
    metadata: dict[str, str]
    created_at: str
    left_at: str | None = Field(description="Since when nothing more of it is taken.")
    recordings: list[BotRecording]


class EndpointSecret(Form):
    id: str
    secret: str = Field(description="whsec_ and a key in base64: what is sent there is signed with it, as Svix does.")


class BotRegistered(BotShown):
    realtime_endpoints: list[EndpointSecret] = Field(description="They are told this once, too.")
    websocket_url: str = Field(description="Where it sends what it hears. It is told this once: who has it is the bot.")


class _Listed(Form):
    recording: RecordingNamed


class TranscriptMediaListed(TranscriptMedia, _Listed):
    """The transcript of a recording."""


class ParticipantEventsMediaListed(ParticipantEventsMedia, _Listed):
    """What participants did in a recording."""


class FileMediaListed(FileMedia, _Listed):
    """Sound or pictures of a recording."""


class _Page(Form):
    next: str | None = Field(description="Address of the next page.")
    previous: str | None = Field(description="Address of the page before.")


class BotPage(_Page):
    results: list[BotShown]


class BotRecordingPage(_Page):
    results: list[BotRecording]


class TranscriptMediaPage(_Page):
    results: list[TranscriptMediaListed]


class ParticipantEventsMediaPage(_Page):
    results: list[ParticipantEventsMediaListed]


class FileMediaPage(_Page):
    results: list[FileMediaListed]


class EndpointState(Form):
    code: Literal["running", "done", "failed"]
    sub_code: str | None = Field(description="Why it failed.")
    updated_at: str


class RealtimeEndpointShown(Form):
    id: str
    type: Literal["webhook", "websocket"]
    created_at: str
    events: list[str]
    status: EndpointState
    metadata: dict[str, str]
    recording: RecordingNamed
    bot: BotNamed


class RealtimeEndpointPage(_Page):
    results: list[RealtimeEndpointShown]
