"""What a Realtime session asks for from its beginning: by a client secret, or as its address says."""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from protocol.openai_realtime import Session, new_id, updated
from server.accounts.client_secrets import is_client_secret
from server.accounts.credentials import secrets_of
from server.doors.access import services_of, settings_of

BETA_HEADER, BETA_SUBPROTOCOL = "realtime=v1", "openai-beta.realtime-v1"


async def session_of(connection: HTTPConnection) -> Session:
    """Raises ``ParameterRefused``."""
    offered = connection.scope.get("subprotocols", ())
    is_beta = connection.headers.get("openai-beta") == BETA_HEADER or BETA_SUBPROTOCOL in offered
    lasts_s = settings_of(connection).session_max_s
    session = Session(new_id("sess"), time.time() + lasts_s, is_beta=is_beta)
    model = connection.query_params.get("model", "")
    if model:
        session = updated(session, {"audio": {"input": {"transcription": {"model": model}}}}, is_beta=is_beta)
    for secret in filter(is_client_secret, secrets_of(connection.headers, offered)):
        asked = await services_of(connection).accounts.client_secrets.session_of(secret)
        session = updated(session, asked, is_beta=is_beta)
    return session
