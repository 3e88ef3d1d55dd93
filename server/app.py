"""The application, put together by one function. Nothing happens at import and there are no globals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from asr.link import Sharing
from protocol.errors import EarshotError
from server.doors import api_page, blobs, debug, health, pages, whip
from server.doors.bots import ROUTERS as BOT_ROUTERS
from server.doors.deepgram import ROUTERS as DEEPGRAM_ROUTERS
from server.doors.errors import CatchErrors, install_error_handlers
from server.doors.jobs import ROUTERS as JOB_ROUTERS
from server.doors.openai import ROUTERS as OPENAI_ROUTERS
from server.doors.participant import ROUTERS as PARTICIPANT_ROUTERS
from server.doors.projects import ROUTERS as PROJECT_ROUTERS
from server.doors.projects import exports
from server.doors.telephony import ROUTERS as TELEPHONY_ROUTERS
from server.doors.told_texts import ToldTexts
from server.doors.v1 import ROUTERS as V1_ROUTERS
from server.doors.vosk import ROUTERS as VOSK_ROUTERS
from server.leaving import Leaving
from server.metrics import Metrics
from server.model_pulls import ModelPulls, fetch_model
from server.rate_limits import RateLimits
from server.request_context import RequestContext
from server.route_starts import RouteStarts
from server.services import Services
from server.settings import Settings

DESCRIPTION = "Realtime speech server: sound comes in, live and durable text goes out."

# What pages of allowed origins may use: every method that some route takes, and every header that one reads or writes.
CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CORS_REQUEST_HEADERS = (
    *("Authorization", "X-API-Key", "Content-Type", "X-Request-ID", "X-Filename"),
    *("Range", "If-Range", "If-Match", "If-None-Match", "Content-Range", "Content-Digest", "X-SHA256"),
    # What OpenAI's client for pages says of itself with every request; nobody reads it here.
    *("OpenAI-Beta", "OpenAI-Organization", "OpenAI-Project", "OpenAI-Safety-Identifier"),
    *(f"X-Stainless-{each}" for each in ("Arch", "Lang", "OS", "Package-Version", "Runtime", "Runtime-Version")),
    *("X-Stainless-Retry-Count", "X-Stainless-Timeout"),
)
CORS_ANSWER_HEADERS = (
    *("X-Request-ID", "X-Process-Time-Ms", "Location", "Link", "Allow", "Accept-Post", "Accept-Patch"),
    *("ETag", "Last-Modified", "Accept-Ranges", "Content-Range", "Content-Disposition", "WWW-Authenticate"),
    *("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)


def build_app(
    settings: Settings,
    *,
    services: Services | None = None,
    metrics: Metrics | None = None,
    sharing: Sharing | None = None,
    worker: int | None = None,
) -> FastAPI:
    """The whole server as an ASGI app; ``worker``: which of several it is, ``sharing``: of the engine that they share.

    Its lifespan starts and stops the services. ``services`` that are given (by tests) are used as they are, and are
    the caller's to stop.
    """
    metrics = metrics or Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            app.state.services = services or await Services.start(settings, metrics=metrics, sharing=sharing)
        except EarshotError as error:
            app.state.why_not = error  # uvicorn says only that it did not start
            raise
        _watch(metrics, app)
        metrics.start()
        try:
            await app.state.rate_limits.start()
            yield
        finally:
            await app.state.model_pulls.stop()
            await metrics.stop()
            if services is None:
                await app.state.services.stop()
            await app.state.rate_limits.close()

    app = FastAPI(
        title="Earshot",
        version=version("earshot"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # Ours: it asks for the token, and the interactive pages would load code from other hosts.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Both spellings reach a route by themselves; a redirect would break multipart clients.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.services = services
    app.state.metrics = metrics
    app.state.worker = worker
    metrics.watch("worker", "Which of this machine's workers this is, counted from 0.", lambda: float(worker or 0))
    app.state.leaving = Leaving()
    app.state.rate_limits = RateLimits(
        creations_per_minute=settings.creations_per_minute,
        failed_sign_ins_per_minute=settings.failed_sign_ins_per_minute,
        upload_urls_per_minute=settings.upload_urls_per_minute,
        redis_url=settings.redis,
    )
    app.state.export_turns = asyncio.Semaphore(exports.THREADS)
    app.state.model_pulls = ModelPulls(settings.models_dir, fetch_model)
    app.state.told_texts = ToldTexts()
    app.state.pages = pages.PageFiles(pages.WEB_CLIENT)
    install_error_handlers(app)
    # One flat list, so that a walk over app.routes sees every route. The pages come last: they answer what is left.
    families = (*V1_ROUTERS, *PROJECT_ROUTERS, *PARTICIPANT_ROUTERS, *JOB_ROUTERS, *BOT_ROUTERS)
    of_others = (*OPENAI_ROUTERS, *DEEPGRAM_ROUTERS, *TELEPHONY_ROUTERS, *VOSK_ROUTERS)
    rest = (whip.router, blobs.router, debug.router, api_page.router, pages.router)
    for router in (health.router, *families, *of_others, *rest):
        app.router.routes.extend(router.routes)
    app.router.middleware_stack = RouteStarts(app.router)
    # The last one added is the outermost.
    app.add_middleware(CatchErrors)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=list(CORS_METHODS),
            allow_headers=list(CORS_REQUEST_HEADERS),
            expose_headers=list(CORS_ANSWER_HEADERS),
        )
    app.add_middleware(RequestContext, metrics=metrics, uploads=app.state.leaving.uploads)
    return app


def _watch(metrics: Metrics, app: FastAPI) -> None:
    def services() -> Services:
        running: Services = app.state.services
        return running

    metrics.watch("sessions_live", "Live sessions now.", lambda: len(services().hub.sessions))
    metrics.watch(
        "load_ratio",
        "How full the node is: 0 empty, 1 where one more live session gets no place.",
        lambda: services().hub.places.load_ratio,
    )
    metrics.watch(
        "engine_restarts", "Times the inference process was restarted.", lambda: services().asr.status.restarts
    )
    metrics.watch("engine_lag_seconds", "How far the words are behind.", lambda: services().asr.status.lag_ms / 1000)
    metrics.watch("sockets_open", "Open sockets.", lambda: app.state.leaving.sockets.count)
    metrics.watch("peers", "WebRTC peers now.", lambda: services().peers.places.count)
    metrics.watch("rooms_sounding", "Rooms with somebody in them.", lambda: services().peers.sounds.rooms)
    metrics.watch("room_members", "Who is in them.", lambda: services().peers.sounds.members)
    metrics.watch("peers_connecting", "Those not connected yet.", lambda: services().peers.places.connecting)
    metrics.watch("meetings_active", "Meetings now.", lambda: services().meetings.active_count)
    metrics.watch(
        "webhook_deliveries_waiting",
        "Deliveries to webhooks that wait, of all nodes; counted once a minute.",
        lambda: services().webhooks.waiting_count,
    )
    metrics.watch("tasks", "Tasks on the event loop.", lambda: len(asyncio.all_tasks()))
    metrics.watch_udp(lambda: services().ports.counts)
    metrics.engine.watch(lambda: services().asr.workers, lambda: services().asr.sessions)
