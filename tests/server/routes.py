"""Every route there is, with what it asks for."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from protocol.ids import new_transcript_id
from server.auth import Action

MEDIA_OF_BOTS = ("transcript", "participant_events", "audio_mixed", "audio_separate", "video_separate")

# A new route that is not written here fails tests/server/test_app.py.
ROUTES: dict[tuple[str, str], Action] = {
    ("GET", "/health"): Action.HEALTH,
    ("GET", "/health/live"): Action.HEALTH,
    ("GET", "/metrics"): Action.METRICS,
    ("GET", "/v1/openapi.json"): Action.DESCRIBE,
    ("GET", "/v1/me"): Action.ME,
    **{(method, f"/v1/{keys}"): Action.KEYS for method in ("GET", "POST") for keys in ("api-keys", "user/api-keys")},
    **{("DELETE", f"/v1/{keys}/{{key_id}}"): Action.KEYS for keys in ("api-keys", "user/api-keys")},
    ("POST", "/v1/tickets"): Action.TICKET,
    ("GET", "/v1/transcripts"): Action.LIST,
    ("POST", "/v1/transcripts"): Action.CREATE,
    ("GET", "/v1/transcripts/{transcript_id}"): Action.READ,
    ("PATCH", "/v1/transcripts/{transcript_id}"): Action.CHANGE,
    ("DELETE", "/v1/transcripts/{transcript_id}"): Action.DELETE,
    ("POST", "/v1/transcripts/{transcript_id}/restore"): Action.RESTORE,
    ("DELETE", "/v1/transcripts/{transcript_id}/destroy"): Action.DESTROY,
    ("DELETE", "/v1/transcripts/{transcript_id}/audio"): Action.DELETE,
    ("GET", "/v1/transcripts/{transcript_id}/segments"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/export"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/download/zip"): Action.READ,
    ("GET", "/v1/transcripts/search"): Action.LIST,
    ("GET", "/v1/transcripts/{transcript_id}/topics"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/topics/with-words"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/topics/{topic_id}/words-per-speaker"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/participants"): Action.READ,
    ("POST", "/v1/transcripts/{transcript_id}/participants"): Action.CHANGE,
    ("GET", "/v1/transcripts/{transcript_id}/participants/{participant_id}"): Action.READ,
    ("PATCH", "/v1/transcripts/{transcript_id}/participants/{participant_id}"): Action.CHANGE,
    ("DELETE", "/v1/transcripts/{transcript_id}/participants/{participant_id}"): Action.CHANGE,
    ("PATCH", "/v1/transcripts/{transcript_id}/speaker/assign"): Action.CHANGE,
    ("POST", "/v1/transcripts/{transcript_id}/speaker/assign"): Action.CHANGE,
    ("PATCH", "/v1/transcripts/{transcript_id}/speaker/merge"): Action.CHANGE,
    ("PATCH", "/v1/transcripts/{transcript_id}/speaker/unmerge"): Action.CHANGE,
    ("POST", "/v1/transcripts/{transcript_id}/speaker/unmerge"): Action.CHANGE,
    ("POST", "/v1/transcripts/{transcript_id}/speaker/merge"): Action.CHANGE,
    ("PATCH", "/v1/transcripts/{transcript_id}/speaker/relabel"): Action.CHANGE,
    ("POST", "/v1/transcripts/{transcript_id}/speaker/relabel"): Action.CHANGE,
    ("POST", "/v1/voices"): Action.ENROL,
    ("GET", "/v1/voices"): Action.LIST,
    ("PATCH", "/v1/voices/{voice_id}"): Action.CHANGE,
    ("DELETE", "/v1/voices/{voice_id}"): Action.DELETE,
    ("GET", "/v1/transcripts/{transcript_id}/speaker/figures"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/audio"): Action.READ,
    ("HEAD", "/v1/transcripts/{transcript_id}/audio"): Action.READ,
    **{
        (method, f"/v1/transcripts/{{transcript_id}}/audio/{form}"): Action.READ
        for method in ("GET", "HEAD")
        for form in ("mp3", "waveform")
    },
    ("GET", "/v1/transcripts/{transcript_id}/waveform"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/uploads"): Action.UPLOAD,
    ("POST", "/v1/transcripts/{transcript_id}/uploads"): Action.UPLOAD,
    ("GET", "/v1/transcripts/{transcript_id}/uploads/{upload_id}"): Action.UPLOAD,
    ("DELETE", "/v1/transcripts/{transcript_id}/uploads/{upload_id}"): Action.UPLOAD,
    ("PUT", "/v1/transcripts/{transcript_id}/uploads/{upload_id}/chunks/{number}"): Action.UPLOAD,
    ("POST", "/v1/transcripts/{transcript_id}/uploads/{upload_id}/complete"): Action.UPLOAD,
    ("POST", "/v1/transcripts/{transcript_id}/record/upload"): Action.UPLOAD,
    ("PUT", "/blobs/{key:path}"): Action.PUT_BLOB,
    ("POST", "/blobs/{key:path}"): Action.PUT_BLOB,
    ("POST", "/v1/transcripts_audio/{transcript_id}/upload"): Action.UPLOAD,
    ("GET", "/v1/transcripts_audio/{transcript_id}/download"): Action.READ,
    ("HEAD", "/v1/transcripts_audio/{transcript_id}/download"): Action.READ,
    ("GET", "/v1/transcripts_audio/{transcript_id}/stream"): Action.READ,
    ("HEAD", "/v1/transcripts_audio/{transcript_id}/stream"): Action.READ,
    ("POST", "/v1/transcripts_webrtc/{transcript_id}/offer"): Action.SPEAK,
    ("POST", "/v1/transcripts_webrtc/{transcript_id}/answer"): Action.SPEAK,
    ("POST", "/v1/transcripts/{transcript_id}/record/webrtc"): Action.SPEAK,
    ("GET", "/v1/ice-servers"): Action.FIND_PATH,
    ("GET", "/v1/engine"): Action.READ_ENGINE,
    ("GET", "/v1/models"): Action.READ_ENGINE,
    ("POST", "/v1/models/{name}/pull"): Action.PULL_MODEL,
    ("GET", "/v1/models/{name}/pull"): Action.READ_ENGINE,
    ("GET", "/api/transcribe/models"): Action.READ_ENGINE,
    ("POST", "/api/transcribe/models/{name}/download"): Action.PULL_MODEL,
    ("GET", "/api/transcribe/models/{name}/download"): Action.READ_ENGINE,
    ("GET", "/v1/models/{name}"): Action.READ_ENGINE,
    ("POST", "/v1/audio/transcriptions"): Action.CREATE,
    ("POST", "/v1/audio/translations"): Action.CREATE,
    ("WS", "/v1/realtime"): Action.TALK,
    ("POST", "/v1/realtime"): Action.TALK,
    ("POST", "/v1/realtime/calls"): Action.TALK,
    ("POST", "/v1/realtime/calls/{call_id}/hangup"): Action.TALK,
    ("DELETE", "/v1/realtime/calls/{call_id}"): Action.TALK,
    ("POST", "/v1/realtime/client_secrets"): Action.TICKET,
    ("POST", "/api/transcribe"): Action.CREATE,
    ("GET", "/api/transcribe/jobs"): Action.LIST,
    ("GET", "/api/transcribe/status/{job}"): Action.READ_ENGINE,
    ("GET", "/api/transcribe/result/{job_id}"): Action.READ,
    ("GET", "/api/transcribe/debug/{job_id}"): Action.READ,
    ("POST", "/api/transcribe/cancel/{job_id}"): Action.CHANGE,
    ("WS", "/api/transcribe/live/{job_id}"): Action.LISTEN,
    ("GET", "/api/v1/bot"): Action.LIST,
    ("POST", "/api/v1/bot"): Action.CREATE,
    ("GET", "/api/v1/bot/{bot_id}"): Action.READ,
    ("POST", "/api/v1/bot/{bot_id}/leave_call"): Action.CHANGE,
    ("WS", "/api/v1/bot/{bot_id}/stream"): Action.SPEAK,
    ("GET", "/api/v1/recording"): Action.LIST,
    ("GET", "/api/v1/recording/{recording_id}"): Action.READ,
    ("POST", "/api/v1/bot/{bot_id}/pause_recording"): Action.CHANGE,
    ("POST", "/api/v1/bot/{bot_id}/resume_recording"): Action.CHANGE,
    **{("GET", f"/api/v1/{kind}"): Action.LIST for kind in MEDIA_OF_BOTS},
    **{("GET", f"/api/v1/{kind}/{{recording_id}}"): Action.READ for kind in MEDIA_OF_BOTS},
    ("GET", "/api/v1/realtime_endpoint"): Action.LIST,
    ("GET", "/api/v1/download/{document}"): Action.DOWNLOAD,
    ("GET", "/api/v1/download/audio_mixed"): Action.DOWNLOAD,
    ("HEAD", "/api/v1/download/audio_mixed"): Action.DOWNLOAD,
    ("GET", "/api/v1/download/audio_part"): Action.DOWNLOAD,
    ("HEAD", "/api/v1/download/audio_part"): Action.DOWNLOAD,
    ("GET", "/api/v1/download/video_part"): Action.DOWNLOAD,
    ("HEAD", "/api/v1/download/video_part"): Action.DOWNLOAD,
    ("POST", "/api/retranslate/segment"): Action.CREATE,
    ("POST", "/api/retranslate/segment-from-full"): Action.CREATE,
    ("WS", "/v1/transcripts_websocket/{transcript_id}"): Action.LISTEN,
    ("WS", "/api/participant/conversations/{conversation_id}/events"): Action.CONTRIBUTE,
    ("WS", "/v1/transcripts/{transcript_id}/events"): Action.LISTEN,
    ("GET", "/v1/transcripts/{transcript_id}/events"): Action.LISTEN,
    ("WS", "/v1/transcripts_stream/{transcript_id}"): Action.SPEAK,
    ("GET", "/v1/rooms"): Action.LIST,
    ("POST", "/v1/rooms"): Action.CREATE_ROOM,
    ("GET", "/v1/rooms/{room_id}"): Action.READ,
    ("PATCH", "/v1/rooms/{room_id}"): Action.CHANGE,
    ("DELETE", "/v1/rooms/{room_id}"): Action.DELETE,
    ("GET", "/v1/rooms/name/{room_name}"): Action.READ,
    ("POST", "/v1/rooms/{room_name}/meeting"): Action.JOIN,
    ("GET", "/v1/rooms/{room_name}/meetings"): Action.READ,
    ("GET", "/v1/rooms/{room_name}/meetings/active"): Action.READ,
    ("GET", "/v1/rooms/{room_name}/meetings/{meeting_id}"): Action.READ,
    ("POST", "/v1/rooms/{room_name}/meetings/{meeting_id}/join"): Action.JOIN,
    ("GET", "/v1/meetings"): Action.LIST,
    ("POST", "/v1/meetings"): Action.CREATE_ROOM,
    ("GET", "/v1/meetings/{meeting_id}"): Action.READ,
    ("POST", "/v1/meetings/{meeting_id}/end"): Action.CHANGE,
    ("PATCH", "/v1/meetings/{meeting_id}/deactivate"): Action.CHANGE,
    ("POST", "/v1/meetings/{meeting_id}/join"): Action.JOIN,
    ("GET", "/v1/meetings/{meeting_id}/participants"): Action.READ,
    ("POST", "/v1/meetings/{meeting_id}/participants/{participant_id}/offer"): Action.JOIN,
    ("POST", "/v1/meetings/{meeting_id}/leave"): Action.JOIN,
    ("POST", "/v1/meetings/{meeting_id}/consent"): Action.JOIN,
    ("GET", "/api/projects"): Action.LIST,
    ("POST", "/api/projects"): Action.CREATE_PROJECT,
    ("GET", "/api/projects/{project_id}"): Action.READ,
    ("PATCH", "/api/projects/{project_id}"): Action.CHANGE,
    ("DELETE", "/api/projects/{project_id}"): Action.DELETE,
    ("POST", "/api/projects/{project_id}/tags"): Action.CHANGE,
    ("PATCH", "/api/projects/{project_id}/tags/{tag_id}"): Action.CHANGE,
    ("DELETE", "/api/projects/{project_id}/tags/{tag_id}"): Action.CHANGE,
    ("GET", "/api/projects/{project_id}/webhooks"): Action.READ,
    ("POST", "/api/projects/{project_id}/webhooks"): Action.CHANGE,
    ("GET", "/api/projects/{project_id}/webhooks/{webhook_id}"): Action.READ,
    ("PATCH", "/api/projects/{project_id}/webhooks/{webhook_id}"): Action.CHANGE,
    ("DELETE", "/api/projects/{project_id}/webhooks/{webhook_id}"): Action.DELETE,
    ("POST", "/api/projects/{project_id}/webhooks/{webhook_id}/test"): Action.CHANGE,
    ("GET", "/api/projects/{project_id}/webhooks/{webhook_id}/deliveries"): Action.READ,
    ("POST", "/api/projects/{project_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"): Action.CHANGE,
    ("GET", "/api/projects/{project_id}/conversations"): Action.READ,
    ("GET", "/api/projects/{project_id}/transcripts"): Action.EXPORT,
    ("GET", "/api/projects/{project_id}/conversations.csv"): Action.EXPORT,
    ("GET", "/api/projects/{project_id}/conversations.xlsx"): Action.EXPORT,
    ("GET", "/api/conversations/{conversation_id}/transcript"): Action.READ,
    ("POST", "/api/conversations/{conversation_id}/chunks/{chunk_id}/retry"): Action.CHANGE,
    ("GET", "/api/projects/{project_id}/reports"): Action.READ,
    ("POST", "/api/projects/{project_id}/reports"): Action.EXPORT,
    ("GET", "/api/projects/{project_id}/reports/subscribers"): Action.EXPORT,
    ("GET", "/api/projects/{project_id}/reports/{report_id}.html"): Action.EXPORT,
    ("GET", "/api/projects/{project_id}/reports/{report_id}.pdf"): Action.EXPORT,
    ("GET", "/api/projects/{project_id}/reports/{report_id}"): Action.READ,
    ("PATCH", "/api/projects/{project_id}/reports/{report_id}"): Action.CHANGE,
    ("DELETE", "/api/projects/{project_id}/reports/{report_id}"): Action.DELETE,
    **{
        ("GET", f"/api/participant/{{project_id}}/report/{report}"): Action.TAKE_PART
        for report in ("latest", "{report_id}/detail", "{report_id}.html", "{report_id}.pdf")
    },
    ("POST", "/api/participant/{project_id}/report/unsubscribe"): Action.TAKE_PART,
    ("POST", "/api/participant/report/subscribe"): Action.TAKE_PART,
    ("GET", "/api/participant/report/unsubscribe/eligibility"): Action.TAKE_PART,
    ("GET", "/p/{project_id}/qr.svg"): Action.TAKE_PART,
    ("GET", "/api/participant/projects/{project_id}"): Action.TAKE_PART,
    ("POST", "/api/participant/conversations/initiate"): Action.TAKE_PART,
    ("POST", "/api/participant/projects/{project_id}/conversations/initiate"): Action.TAKE_PART,
    ("GET", "/api/participant/projects/{project_id}/conversations/{conversation_id}"): Action.CONTRIBUTE,
    ("GET", "/api/participant/projects/{project_id}/conversations/{conversation_id}/chunks"): Action.CONTRIBUTE,
    ("GET", "/api/participant/conversations/{conversation_id}/chunks"): Action.CONTRIBUTE,
    (
        "DELETE",
        "/api/participant/projects/{project_id}/conversations/{conversation_id}/chunks/{chunk_id}",
    ): Action.CONTRIBUTE,
    ("DELETE", "/api/participant/conversations/{conversation_id}/chunks/{chunk_id}"): Action.CONTRIBUTE,
    **{
        ("POST", f"/api/participant/conversations/{{conversation_id}}/{step}"): Action.CONTRIBUTE
        for step in ("check-s3", "get-upload-url", "confirm-upload", "upload-chunk", "upload-text", "finish", "ping")
    },
    ("POST", "/api/summary"): Action.ASK,
    ("GET", "/api/summary/{summary_id}"): Action.READ,
    ("GET", "/api/summary/status/{summary_id}"): Action.READ,
    ("GET", "/api/chat/models"): Action.LIST,
    ("POST", "/api/chat"): Action.ASK,
    ("POST", "/whip"): Action.CREATE,
    ("POST", "/whip/{transcript_id}"): Action.SPEAK,
    ("PATCH", "/whip/{transcript_id}/{session_id}"): Action.SPEAK,
    ("DELETE", "/whip/{transcript_id}/{session_id}"): Action.SPEAK,
    # Methods that WHIP reserves, and OPTIONS.
    **{(method, "/whip"): Action.SPEAK for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")},
    **{
        (method, "/whip/{transcript_id}"): Action.SPEAK
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
    },
    **{
        (method, "/whip/{transcript_id}/{session_id}"): Action.SPEAK
        for method in ("GET", "HEAD", "PUT", "POST", "OPTIONS")
    },
    ("GET", "/debug/loop"): Action.DEBUG_PAGE,
    ("HEAD", "/debug/loop"): Action.DEBUG_PAGE,
    ("GET", "/debug/loop.json"): Action.DEBUG,
    ("POST", "/v1/listen"): Action.CREATE,
    ("WS", "/v1/listen"): Action.CREATE,
    **{("WS", path): Action.CREATE for path in ("/", "/vosk", "/v1/telephony/stream")},
    **{(method, path): Action.PAGE for method in ("GET", "HEAD") for path in ("/docs", "/docs/", "/v1/docs")},
    **{(method, "/docs/{asset}"): Action.PAGE for method in ("GET", "HEAD")},
    **{
        (method, path): Action.PAGE
        for method in ("GET", "HEAD")
        for path in (
            *("/", "/t", "/t/{page_id}", "/rooms", "/r/{page_id}", "/p/{page_id}", "/{name:path}"),
            *("/files", "/projects", "/projects/{page_id}"),
        )
    },
}


# Contracts of others, who tell errors in other ways: tests of their own try them with wrong credentials.
OF_OTHERS = frozenset({"/v1/listen", "/v1/telephony/stream", "/vosk", "/"})


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    found = set()
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            found.add(("WS", route.path))
        else:
            assert isinstance(route, Route)
            found.update((method, route.path) for method in route.methods or ())
    return found


def path_of(template: str) -> str:
    return (
        template.replace("{transcript_id}", new_transcript_id())
        .replace("{session_id}", "ses_0")
        .replace("{call_id}", "rtc_0")
        .replace("{room_id}", new_transcript_id())
        .replace("{room_name}", "no-such-room")
        .replace("{meeting_id}", new_transcript_id())
        .replace("{project_id}", new_transcript_id())
        .replace("{tag_id}", new_transcript_id())
        .replace("{webhook_id}", new_transcript_id())
        .replace("{delivery_id}", "dlv_0")
        .replace("{summary_id}", new_transcript_id())
        .replace("{report_id}", new_transcript_id())
        .replace("{chunk_id}", new_transcript_id())
        .replace("{conversation_id}", new_transcript_id())
        .replace("{participant_id}", "par_0")
        .replace("{key_id}", new_transcript_id())
        .replace("{upload_id}", "upl_0")
        .replace("{number}", "0")
        .replace("{topic_id}", "top_0")
        .replace("{page_id}", "x")
        .replace("{name:path}", "favicon.svg")
        .replace("{key:path}", "some/blob")
        .replace("{name}", "some-model")
        .replace("{asset}", "swagger-ui.css")
    )
