"""The words of the document: what statuses, headers, tags and parameters mean."""

from __future__ import annotations

from typing import Any

ABOUT = (
    "Realtime speech server: sound comes in, live and durable text goes out. Every path works with and without a slash "
    "at its end. Errors have one form; `code` is for programs, `message` for people. Live sound and live words go over "
    "sockets, which OpenAPI cannot describe: docs/sockets.md does."
)

TAGS = {
    "transcripts": "What was said: its words, its documents and what is known of it.",
    "participants": "Who spoke: names of voices, and voices set right.",
    "topics": "What was talked about, computed from the words.",
    "audio": "The sound of a transcript: taken as files, given whole, by ranges and as a waveform.",
    "blobs": "Sound put to addresses that the server signed.",
    "webrtc": "Speaking from a browser.",
    "whip": "Speaking with a program that knows WHIP (RFC 9725).",
    "accounts": "Who you are, the keys of your programs, and tickets for sockets.",
    "rooms": "Lasting places to meet in.",
    "meetings": "Meetings in rooms: opening them, taking part, and ending them.",
    "openai": "What OpenAI's clients ask for; docs/clients.md says with which lines.",
    "jobs": "Files that are made words of by a recogniser of one's choice, and stretches that are heard again.",
    "bots": "Bots that attend meetings and stream to us, and the documents of what they recorded.",
    "projects": "What a host gathers conversations in: its settings, and its tags.",
    "webhooks": "What happens in a project, told to an address of its host.",
    "reports": "Documents about all conversations of a project, and who is told of them.",
    "summary": "Summaries of transcripts that are sent or named.",
    "chat": "Questions about transcripts that are sent or named.",
    "participant": "Recording a conversation in a project, without an account.",
    "engine": "The recogniser and its models.",
    "health": "How this node fares.",
}

SUCCESSES = {
    200: "As asked",
    201: "Made",
    202: "Begun; it goes on in the background",
    204: "Done; there is nothing to say",
}

# Names of the responses in the document, and their meanings.
ERRORS: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "The request cannot be understood"),
    401: ("NotAuthorised", "The credential is missing or wrong"),
    403: ("Forbidden", "Not for you, or not from this web page"),
    404: ("NotFound", "No such thing, or not yours"),
    405: ("MethodNotAllowed", "Another method, named in Allow, is taken here"),
    406: ("NotAcceptable", "The Accept header leaves out what there is"),
    408: ("TooSlow", "The body came too slowly"),
    409: ("Conflict", "The state does not allow it"),
    410: ("Gone", "It was there and is not any more"),
    411: ("LengthRequired", "Say how long the body is"),
    412: ("PreconditionFailed", "If-Match names another version"),
    413: ("TooLarge", "Larger than allowed"),
    415: ("UnsupportedMediaType", "A body of this type is not read here"),
    416: ("RangeNotSatisfiable", "There is nothing in this range"),
    421: ("HeldElsewhere", "Another node has this transcript"),
    422: ("ValidationFailed", "A field is not as documented; details.problems names each"),
    428: ("PreconditionRequired", "Send If-Match"),
    429: ("RateLimited", "Too many requests; try again after Retry-After seconds"),
    500: ("InternalError", "Our fault; the request id finds it in our log"),
    502: ("ProviderFailed", "Another server that we asked did not do its part"),
    503: ("TryLater", "Try again after Retry-After seconds"),
    504: ("LanguageModelTooSlow", "The language model did not answer in time"),
    507: ("DiskFull", "The server's disk is full; whoever runs it must make room"),
}

REQUEST_HEADERS = {
    "Content-Digest": "What the body hashes to (RFC 9530), such as sha-256=:BASE64:; another body is refused.",
    "If-Match": "The ETag of what is to be changed.",
    "If-None-Match": "The ETag of what you have; answered with 304 when it is the same.",
    "If-Range": "The ETag that a range is of; another version is answered whole.",
    "Range": "Bytes of the file, such as bytes=0-1023, bytes=4096- or bytes=-512.",
    "X-SHA256": "The body's SHA-256 in hex; another body is refused.",
    "X-Filename": "Name of the file, percent-encoded, where the body is the file itself.",
}
REQUIRED_HEADERS = frozenset({"If-Match"})

RESPONSE_HEADERS = {
    "Accept-Ranges": ("string", "bytes: ranges are answered."),
    "Allow": ("string", "The methods that are taken here."),
    "Content-Disposition": ("string", "Whether to show it or keep it, and under what name."),
    "Content-Range": ("string", "Which bytes these are, and of how many."),
    "ETag": ("string", "Names this version."),
    "Last-Modified": ("string", "When it was last changed; left out while it may still change."),
    "Link": ("string", "STUN and TURN servers to use."),
    "Location": ("string", "The path of what was made."),
    "RateLimit-Limit": ("integer", "So many requests are taken in a window."),
    "RateLimit-Remaining": ("integer", "So many more are taken now."),
    "RateLimit-Reset": ("integer", "In so many seconds more are taken."),
    "Retry-After": ("integer", "Seconds to wait before the next try."),
    "WWW-Authenticate": ("string", "Which credential is wanted."),
}
ERROR_HEADERS = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    416: ("Content-Range",),
    429: ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    503: ("Retry-After",),
    507: ("Retry-After",),
}

PATH_PARAMETERS = {
    "transcript_id": "Id of the transcript.",
    "call_id": "Id of the call, as the Location of its answer has it.",
    "session_id": "Id of the session, as the answer to its offer named it.",
    "topic_id": "Id of the topic.",
    "voice_id": "Id of the enrolled voice.",
    "job_id": "Id of the job, which is that of its transcript.",
    "job": "Id of the job, or of what may have been one.",
    "bot_id": "Id of the bot.",
    "recording_id": "Id of the recording, which is that of its transcript.",
    "document": "Which of the meeting's documents.",
    "key_id": "Id of the API key, not the key itself.",
    "participant_id": "Id of the participant, of a transcript or, as joining gave it, of a meeting.",
    "name": "Name of the model.",
    "project_id": "Id of the project.",
    "tag_id": "Id of the tag.",
    "webhook_id": "Id of the webhook.",
    "delivery_id": "Id of the delivery.",
    "report_id": "Id of the report.",
    "summary_id": "The job_id that asking for the summary gave.",
    "chunk_id": "Id of the chunk, as announcing or sending it gave it.",
    "conversation_id": "Id of the conversation, as beginning it gave it: it is what one goes on with it by.",
    "room_id": "Id of the room.",
    "room_name": "Name of the room, or its id.",
    "meeting_id": "Id of the meeting.",
    "upload_id": "Id of the upload, as it was given when it began.",
    "number": "Number of the chunk, from 0.",
    "key": "Name of the blob, as it was signed.",
}

SECURITY_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token: the server's own, or that of a user.",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key of a user."},
}
