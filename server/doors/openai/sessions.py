"""What a Realtime session asks for from its beginning: by a client secret, or as its address says."""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from protocol.errors import ParameterRefused
from protocol.openai_realtime import USUAL_TURNS, Session, new_id, updated
from server.accounts.client_secrets import is_client_secret
from server.accounts.credentials import secrets_of
from server.doors.access import services_of, settings_of
from server.settings import Settings

BETA_HEADER, BETA_SUBPROTOCOL = "realtime=v1", "openai-beta.realtime-v1"


def usual_session(settings: Settings, *, is_beta: bool) -> Session:
    """One that asks for nothing yet."""
    silence_ms = settings.utterance_silence_ms
    return Session(
        new_id("sess"),
        time.time() + settings.session_max_s,
        is_beta=is_beta,
        turns={**USUAL_TURNS, "silence_duration_ms": silence_ms},
        default_silence_ms=silence_ms,
    )


async def session_of(connection: HTTPConnection) -> Session:
    """Raises ``ParameterRefused``."""
    offered = connection.scope.get("subprotocols", ())
    is_beta = connection.headers.get("openai-beta") == BETA_HEADER or BETA_SUBPROTOCOL in offered
    session = usual_session(settings_of(connection), is_beta=is_beta)
    models = connection.query_params.getlist("model")
    if len(models) > 1:
        raise ParameterRefused("model is given more than once", param="model")
    for model in filter(None, models):
        session = updated(session, {"audio": {"input": {"transcription": {"model": model}}}}, is_beta=is_beta)
    for secret in filter(is_client_secret, secrets_of(connection.headers, offered)):
        asked = await services_of(connection).accounts.client_secrets.session_of(secret)
        session = updated(session, asked, is_beta=is_beta)
    return session
