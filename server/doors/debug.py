"""``/debug/loop``: what the recogniser's loop did in the last minute, drawn. For whoever runs the server.

Its figures hold no speech, no names and no secrets. They are asked for again and again with the number of the newest
step that the page has; an answer holds the next ``STEPS_PER_ANSWER_MAX`` steps, and says whether there are more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.pages import page
from server.engine_metrics import SessionView, WorkerView
from server.last_minute import WINDOW_S, Ended, LastMinute
from server.services import Services

LOOP_PAGE = "loop.html"
STEPS_PER_ANSWER_MAX = 300  # under 20 kB; made in some 2 ms, for which nothing else runs
SESSIONS_MAX = 10

router = APIRouter(include_in_schema=False)


@router.api_route("/debug/loop", methods=["GET", "HEAD"], dependencies=[entry(Action.DEBUG_PAGE)])
async def loop_page(request: Request) -> Response:
    return await page(LOOP_PAGE, request)


@router.get("/debug/loop.json", dependencies=[entry(Action.DEBUG)])
async def loop_figures(request: Request, after: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Steps that ended after number ``after``, and how the workers and sessions fare. Times are seconds ago."""
    services = services_of(request)
    return JSONResponse(_figures(services, services.loop.minute, after), headers={"Cache-Control": "no-store"})


def _figures(services: Services, minute: LastMinute, after: int) -> dict[str, Any]:
    now_s = minute.now_s()
    status = services.asr.status
    # A number that we never gave is another run's: the page then has to begin anew.
    known = after if after <= minute.last else 0
    steps = minute.steps(after=known, limit=STEPS_PER_ANSWER_MAX)
    is_all = len(steps) < STEPS_PER_ANSWER_MAX
    return {
        "run": minute.run,
        "last": minute.last if is_all else steps[-1].number,
        "more": not is_all,
        "window_s": WINDOW_S,
        "engine": {name: getattr(status, name) for name in ("state", "engine", "model", "device")},
        "gave_up": status.gave_up,
        "workers": [_worker(worker) for worker in services.asr.workers],
        "sessions": _sessions(services.asr.sessions),
        "steps": [_step(ended, now_s) for ended in steps],
        "notes": [[note.worker, round(now_s - note.at_s, 2), note.what, note.detail] for note in minute.notes()],
    }


def _worker(worker: WorkerView) -> dict[str, Any]:
    pong = worker.pong
    view: dict[str, Any] = {
        "index": worker.index,
        "state": worker.state,
        "sessions": worker.sessions,
        "restarts": worker.restarts,
        "resident_mb": worker.resident_mb,
    }
    if pong is not None:
        names = ("busy", "interim_ms", "waiting", "backlog_samples", "utterances", "interims_dropped", "guard_hits")
        view |= {name: getattr(pong, name) for name in names}
    return view


def _step(ended: Ended, now_s: float) -> list[Any]:
    """As a row, because there are many: number, worker, kind, s ago it ended, size, most, ms waited, ms taken,
    samples, frames, ms of voice activity."""
    ran = ended.ran
    return [
        ended.number,
        ended.worker,
        ran.kind,
        round(now_s - ended.at_s, 3),
        ran.size,
        ran.batch_max,
        round(ran.wait_ms, 1),
        round(ran.run_ms, 1),
        ran.sound_samples,
        ran.listened_frames,
        round(ran.listen_ms, 2),
    ]


def _sessions(sessions: Sequence[SessionView]) -> dict[str, Any]:
    """How many there are, and the ones furthest behind; files, which may wait, after those that are live.

    Eight characters of an id are enough to find it in a log.
    """
    rows = [(session.lane == "file", -session.lag_ms, session) for session in sessions]
    rows.sort(key=lambda row: row[:2])
    files = sum(is_file for is_file, _, _ in rows)
    furthest = [[each.session_id[-8:], each.lane, -behind] for _, behind, each in rows[:SESSIONS_MAX]]
    return {"live": len(rows) - files, "files": files, "furthest": furthest}
