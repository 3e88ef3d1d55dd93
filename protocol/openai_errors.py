"""Errors as OpenAI's API tells them: ``{"error": {"message", "type", "param", "code"}}``; and where it is spoken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What we have for ourselves below these stays as it is: ``/v1/models`` alone is both, and its errors are ours.
_PATHS = re.compile(r"/v1/(audio/(transcriptions|translations)|realtime(/.*)?|models/[^/]+)/?")

TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CODES: Mapping[str, str] = {
    "NOT_AUTHORISED": "invalid_api_key",
    "MODEL_NOT_FOUND": "model_not_found",
    "RATE_LIMITED": "rate_limit_exceeded",
    "AUDIO_FORMAT_ERROR": "unsupported_format",
    "INTERNAL_ERROR": "server_error",
}
RESTART, TRY_LATER = 1012, 1013


def speaks_openai(path: str) -> bool:
    """Whether what is asked for at ``path`` is answered as OpenAI would."""
    return _PATHS.fullmatch(path) is not None


def status_of(status: int) -> int:
    """Their clients know a field that is wrong by 400."""
    return 400 if status == 422 else status


def close_of_retryable(code: str) -> int:
    """After which their clients connect again by themselves, as they do after none of ours, nor after an ``error``."""
    return RESTART if code in ("DRAINING", "HELD_ELSEWHERE") else TRY_LATER


def error_body(status: int, code: str, message: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in ``error``. ``status`` and ``code`` are ours, as in ``EarshotError.to_dict``."""
    if "param" in details:
        param, code = details["param"], str(details.get("code", code))
    else:
        problems = details.get("problems") or [{}]
        named = "language" if "language" in details else None  # one that the recogniser does not know
        param, code = problems[0].get("field") or named, CODES.get(code, code.lower())
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"message": message, "type": kind, "param": param, "code": code}
