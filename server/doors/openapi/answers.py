"""What each operation answers, in one table.

The doors write their answers by hand, as fast as they can be written; this says of what form they are. A test holds
the two together: every answer that any test of the doors gets is compared with what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from server.doors.bots import models as bot_models
from server.doors.jobs import job_models, text_models
from server.doors.participant import models as participant_models
from server.doors.projects import models as project_models
from server.doors.projects import webhook_models
from server.doors.v1 import models, speaker_models, transcript_models

JSON = "application/json"
UPLOADED = ("audio/flac", "audio/mp4", "audio/webm")  # besides those, as the original
SOUND = ("audio/wav", "audio/ogg", "audio/mpeg", *UPLOADED, "multipart/byteranges")
DOCUMENTS = ("text/plain", JSON, "application/x-subrip", "text/vtt")
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}
GOES_ON = {200: "The one that goes on already"}
TEXT: Mapping[str, Any] = {"type": "string"}
FILES_OF_BOTS = ("audio_mixed", "audio_separate", "video_separate")
OBJECT: Mapping[str, Any] = {"type": "object"}


@dataclass(frozen=True)
class Answer:
    """How an operation answers when all is well, and the errors that are its own.

    ``media``: of what types a body is that no ``model`` describes, or is besides. ``also``: further answers and their
    meanings; 200, 206 and 503 have the same form as the first. ``asks``: headers of the request that matter.
    ``headers``: those of the answer. ``errors``: beyond those that any operation of its kind may answer
    (``document.errors_of``).
    """

    status: int = 200
    model: type[BaseModel] | None = None
    media: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=lambda: BINARY)
    also: Mapping[int, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()


def _sound(*errors: int, media: tuple[str, ...] = SOUND) -> Answer:
    return Answer(
        media=media,
        also={206: "The range that was asked for", 304: "What you have is what there is"},
        asks=("Range", "If-Range", "If-None-Match"),
        headers=("Accept-Ranges", "ETag", "Last-Modified", "Content-Range", "Content-Disposition"),
        errors=(*errors, 409, 412, 416, 507),
    )


def _report(media: str) -> Answer:
    return Answer(media=(media,), schema=TEXT if media == "text/html" else BINARY, headers=("Content-Disposition",))


# By the name of the operation, which is that of the door's function and of the method in a generated client.
ANSWERS: Mapping[str, Answer] = {
    "health": Answer(model=models.Health, also={503: "It takes no work; problem says why"}),
    # Transcripts.
    "list_transcripts": Answer(model=transcript_models.TranscriptPage),
    "create_transcript": Answer(
        201, transcript_models.Transcript, headers=("Location", "ETag"), errors=(404, 409, 507)
    ),
    "get_transcript": Answer(model=transcript_models.TranscriptWithWords, headers=("ETag",)),
    "change_transcript": Answer(model=transcript_models.Transcript, headers=("ETag",), errors=(409, 412, 421)),
    "delete_transcript": Answer(204, errors=(409,)),
    "restore_transcript": Answer(model=transcript_models.Transcript, headers=("ETag",), errors=(409,)),
    "destroy_transcript": Answer(204, errors=(409,)),
    "delete_audio": Answer(204, errors=(409,)),
    "download_zip": Answer(media=("application/zip",), headers=("Content-Disposition",)),
    "list_segments": Answer(model=models.SegmentPage),
    "list_events": Answer(model=models.MessagePage),
    "export_transcript": Answer(media=DOCUMENTS, schema=TEXT, headers=("Content-Disposition",)),
    "search_transcripts": Answer(model=speaker_models.SearchResults, errors=(400,)),
    # Who speaks, and of what.
    "list_participants": Answer(model=speaker_models.Participants),
    "add_participant": Answer(201, transcript_models.Participant, headers=("Location",), errors=(409,)),
    "get_participant": Answer(model=transcript_models.Participant),
    "change_participant": Answer(model=transcript_models.Participant, errors=(409,)),
    "delete_participant": Answer(204, errors=(409,)),
    "assign_speaker": Answer(model=speaker_models.Assigned, errors=(409,)),
    "merge_speakers": Answer(model=speaker_models.Assigned, errors=(409,)),
    "unmerge_speakers": Answer(model=speaker_models.Assigned, errors=(409,)),
    "relabel_speakers": Answer(model=speaker_models.Relabelled, errors=(409,)),
    "enrol_voice": Answer(201, speaker_models.EnrolledVoice, headers=("Location",), errors=(404, 409)),
    "list_enrolled_voices": Answer(model=speaker_models.EnrolledVoices, errors=(404,)),
    "change_enrolled_voice": Answer(model=speaker_models.EnrolledVoice),
    "delete_enrolled_voice": Answer(204),
    "speaker_figures": Answer(model=speaker_models.SpeakersFigures),
    "list_topics": Answer(model=speaker_models.Topics),
    "list_topics_with_words": Answer(model=speaker_models.TopicsWithWords),
    "topic_words_per_speaker": Answer(model=speaker_models.TopicWithWordsPerSpeaker),
    # Accounts.
    "me": Answer(model=models.Me),
    "create_api_key": Answer(201, models.NewApiKey, headers=("Location",), errors=(409,)),
    "list_api_keys": Answer(model=models.ApiKeyList),
    "revoke_api_key": Answer(204),
    "create_ticket": Answer(201, models.Ticket, errors=(404,)),
    # Sound.
    "upload_audio": Answer(
        201, transcript_models.UploadedTo, asks=("X-Filename", "Content-Digest", "X-SHA256"), errors=(409, 507)
    ),
    "begin_upload": Answer(201, transcript_models.Upload, headers=("Location",), errors=(409, 507)),
    "list_uploads": Answer(model=transcript_models.UploadList),
    "get_upload": Answer(model=transcript_models.UploadWithMissing),
    "put_chunk": Answer(
        201,
        transcript_models.UploadWithChunk,
        also={200: "It was here already"},
        asks=("Content-Digest", "X-SHA256"),
        errors=(409, 507),
    ),
    "complete_upload": Answer(model=transcript_models.UploadCompleted, errors=(400, 409, 413, 507)),
    "delete_upload": Answer(204),
    "post_blob": Answer(204, headers=("ETag",), errors=(409, 507)),
    "put_blob": Answer(headers=("ETag",), asks=("Content-Digest", "X-SHA256"), errors=(409, 507)),
    "record_upload": Answer(model=transcript_models.ChunkTaken, errors=(409, 507)),
    "download_audio": _sound(),
    "stream_audio": _sound(),
    "transcript_audio": _sound(),
    "mp3_audio": _sound(),
    "waveform": Answer(model=models.Waveform, errors=(409,)),
    "short_waveform": Answer(model=models.Waveform, errors=(409,)),
    # WebRTC.
    "offer": Answer(model=models.SessionDescription, errors=(409, 421)),
    "answer": Answer(model=models.AnswerTaken, errors=(409, 421)),
    "ice_servers_for_clients": Answer(model=models.IceServers, errors=(409,)),
    "speak": Answer(
        201, media=("application/sdp",), schema=TEXT, headers=("Location", "ETag", "Link"), errors=(406, 409, 421)
    ),
    "speak_anew": Answer(
        201, media=("application/sdp",), schema=TEXT, headers=("Location", "ETag", "Link"), errors=(406, 409)
    ),
    "trickle": Answer(204, asks=("If-Match",), errors=(412, 428)),
    "end": Answer(200),
    # Rooms and meetings.
    "list_rooms": Answer(model=models.RoomPage),
    "create_room": Answer(201, models.Room, headers=("Location",), errors=(409,)),
    "get_room": Answer(model=models.Room),
    "get_room_by_name": Answer(model=models.Room),
    "change_room": Answer(model=models.Room, errors=(409,)),
    "delete_room": Answer(204),
    "list_meetings": Answer(model=models.MeetingPage),
    "list_meetings_of_room": Answer(model=models.MeetingPage),
    "list_active_meetings": Answer(model=models.ActiveMeetings),
    "create_meeting": Answer(201, models.Meeting, also=GOES_ON, headers=("Location",), errors=(404, 409, 502)),
    "open_meeting": Answer(201, models.Meeting, also=GOES_ON, headers=("Location",), errors=(409, 502)),
    "get_meeting": Answer(model=models.Meeting),
    "get_meeting_of_room": Answer(model=models.Meeting),
    "end_meeting": Answer(model=models.Meeting),
    "join_meeting": Answer(model=models.Joined, errors=(409,)),
    "join_meeting_of_room": Answer(model=models.Joined, errors=(409,)),
    "list_people_of_meeting": Answer(model=models.People),
    "offer_of_participant": Answer(model=models.SessionDescription, errors=(409,)),
    "leave_meeting": Answer(204),
    "answer_consent": Answer(model=models.ConsentTaken),
    # The recogniser.
    "engine": Answer(model=models.Engine),
    "models": Answer(model=models.ModelList),
    "pull_model": Answer(202, models.ModelPull, errors=(409,)),
    "pull_progress": Answer(model=models.ModelPull),
    # Projects.
    "list_projects": Answer(model=project_models.ProjectPage),
    "create_project": Answer(201, project_models.Project, headers=("Location",), errors=(409,)),
    "get_project": Answer(model=project_models.Project),
    "change_project": Answer(model=project_models.Project),
    "delete_project": Answer(204),
    "get_project_qr_code": Answer(media=("image/svg+xml",)),
    "add_tag": Answer(201, project_models.Tag, errors=(409,)),
    "rename_tag": Answer(model=project_models.Tag, errors=(409,)),
    "delete_tag": Answer(204),
    "list_webhooks": Answer(model=webhook_models.WebhookList),
    "create_webhook": Answer(201, webhook_models.WebhookWithSecret, headers=("Location",), errors=(409,)),
    "get_webhook": Answer(model=webhook_models.Webhook),
    "change_webhook": Answer(model=webhook_models.WebhookWithSecret),
    "delete_webhook": Answer(204),
    "test_webhook": Answer(model=webhook_models.WebhookTested, errors=(408, 413)),
    "list_deliveries": Answer(model=webhook_models.DeliveryPage),
    "replay_delivery": Answer(201, webhook_models.Delivery, errors=(408, 409, 413)),
    "get_public_project": Answer(model=project_models.PublicProject),
    "initiate_conversation": Answer(model=participant_models.Conversation, errors=(404,)),
    "initiate_in_project": Answer(model=participant_models.Conversation),
    "get_conversation": Answer(model=participant_models.Conversation),
    "finish_conversation": Answer(model=participant_models.Conversation),
    "ping_conversation": Answer(model=participant_models.Pong, errors=(408, 413)),
    "list_chunks": Answer(model=participant_models.Chunks),
    "list_chunks_in_project": Answer(model=participant_models.Chunks),
    "delete_chunk": Answer(204, errors=(409,)),
    "delete_chunk_in_project": Answer(204, errors=(409,)),
    "retry_chunk": Answer(model=participant_models.Chunk, errors=(409,)),
    "check_storage": Answer(model=participant_models.Probe),
    "get_upload_url": Answer(model=participant_models.UploadUrl, errors=(409,)),
    "confirm_upload": Answer(model=participant_models.Chunk, errors=(409,)),
    "upload_chunk": Answer(model=participant_models.Chunk, errors=(409, 507)),
    "upload_text": Answer(model=participant_models.Chunk, errors=(409,)),
    "list_conversations": Answer(model=project_models.HostedConversationPage),
    "export_documents": Answer(media=("application/zip",), headers=("Content-Disposition",)),
    "export_table": Answer(media=("text/csv",), schema=TEXT, headers=("Content-Disposition",)),
    "export_spreadsheet": Answer(
        media=("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
        headers=("Content-Disposition",),
        errors=(413, 507),
    ),
    "conversation_transcript": Answer(media=("text/plain",), schema=TEXT),
    # Bots.
    "register_bot": Answer(201, bot_models.BotRegistered, headers=("Location",)),
    "list_bots": Answer(model=bot_models.BotPage),
    "get_bot": Answer(model=bot_models.BotShown),
    "leave_call": Answer(model=bot_models.BotShown),
    "list_recordings": Answer(model=bot_models.BotRecordingPage),
    "get_recording": Answer(model=bot_models.BotRecording),
    "list_realtime_endpoints": Answer(model=bot_models.RealtimeEndpointPage),
    "pause_recording": Answer(model=bot_models.BotShown, errors=(409,)),
    "resume_recording": Answer(model=bot_models.BotShown, errors=(409,)),
    "list_media_transcript": Answer(model=bot_models.TranscriptMediaPage),
    "get_media_transcript": Answer(model=bot_models.TranscriptMediaListed),
    "list_media_participant_events": Answer(model=bot_models.ParticipantEventsMediaPage),
    "get_media_participant_events": Answer(model=bot_models.ParticipantEventsMediaListed),
    **{f"list_media_{kind}": Answer(model=bot_models.FileMediaPage) for kind in FILES_OF_BOTS},
    **{f"get_media_{kind}": Answer(model=bot_models.FileMediaListed) for kind in FILES_OF_BOTS},
    "download_document": Answer(media=(JSON,), schema={"anyOf": [{"type": "array", "items": OBJECT}, OBJECT]}),
    "download_audio_mixed": _sound(404),
    "download_audio_part": _sound(404),
    "download_video_part": _sound(404, media=("video/mp4", "multipart/byteranges")),
    # Jobs.
    "list_models_for_jobs": Answer(model=job_models.ModelsHere),
    "download_model": Answer(202, models.ModelPull, errors=(409,)),
    "download_progress": Answer(model=models.ModelPull),
    "openai_transcription": Answer(media=(JSON, "text/plain", "text/event-stream"), schema=TEXT, errors=(409, 507)),
    "openai_translation": Answer(media=(JSON,), schema=OBJECT),
    "openai_call": Answer(201, media=("application/sdp",), schema=TEXT, headers=("Location",), errors=(409, 507)),
    "openai_hangup": Answer(),
    "openai_delete_call": Answer(),
    "openai_client_secret": Answer(model=models.OpenAiClientSecret),
    "openai_model": Answer(model=models.OpenAiModel),
    "start_transcription": Answer(model=job_models.JobShown, errors=(404, 409, 507)),
    "list_jobs": Answer(model=job_models.JobList),
    "job_status": Answer(model=job_models.JobStatus),
    "job_result": Answer(model=job_models.JobResult, errors=(409,)),
    "debug_job": Answer(model=job_models.JobDebug),
    "cancel_job": Answer(model=job_models.JobShown, errors=(409,)),
    "hear_clip_again": Answer(model=job_models.HeardAgain, errors=(404, 409, 507)),
    "hear_segment_again": Answer(model=job_models.HeardAgain, errors=(400, 404, 409, 413)),
    # Summaries of transcripts that are sent or named, and questions about them.
    "start_summary": Answer(model=text_models.SummaryStarted, errors=(404, 502, 504)),
    "summary_status": Answer(model=text_models.SummaryStatus),
    "get_summary": Answer(model=text_models.MadeSummary, errors=(409, 413, 502, 504)),
    "list_chat_models": Answer(model=text_models.ChatModels),
    "chat": Answer(model=text_models.ChatReply, media=("text/event-stream",), schema=TEXT, errors=(404, 502, 504)),
    # Reports.
    "list_reports": Answer(model=project_models.ReportPage),
    "create_report": Answer(
        202, project_models.Report, also={200: "The one that is made already"}, headers=("Location",), errors=(409,)
    ),
    "get_report": Answer(model=project_models.Report),
    "change_report": Answer(model=project_models.Report),
    "delete_report": Answer(204),
    "report_page": _report("text/html"),
    "report_pdf": _report("application/pdf"),
    "list_subscribers": Answer(model=project_models.SubscriberPage),
    "latest_report": Answer(model=participant_models.LatestReport),
    "report_detail": Answer(model=participant_models.ParticipantReportDetail),
    "participant_report_page": _report("text/html"),
    "participant_report_pdf": _report("application/pdf"),
    "subscribe_to_reports": Answer(model=participant_models.Subscribed, errors=(404, 409)),
    "unsubscribe_from_reports": Answer(model=participant_models.Unsubscribed),
    "may_unsubscribe": Answer(model=participant_models.Eligibility),
}
