"""Reports as hosts see them."""

from __future__ import annotations

from typing import Any

from protocol.states import ReportState
from server.doors.v1.views import iso
from server.store.report_records import Report, Subscription

DIGESTING = 90.0  # per cent of the work


def report_view(report: Report) -> dict[str, Any]:
    path = f"/api/projects/{report.project_id}/reports/{report.id}"
    is_made = report.state is ReportState.DONE
    return {
        "id": report.id,
        "project_id": report.project_id,
        "state": report.state.value,
        "progress": _progress(report),
        "conversations": report.digested if is_made else max(report.conversations, report.digested),
        "is_published": report.is_published,
        "status": "published" if report.is_published else "draft",
        "error": report.error,
        "note": report.note or None,
        "html_url": f"{path}.html" if is_made else None,
        "pdf_url": f"{path}.pdf" if is_made else None,
        "created_at": iso(report.created_at),
        "finished_at": None if report.finished_at is None else iso(report.finished_at),
    }


def _progress(report: Report) -> float:
    if report.state is ReportState.DONE:
        return 100.0
    if not report.conversations:
        return 0.0
    return round(min(DIGESTING, DIGESTING * report.digested / report.conversations), 1)


def subscription_view(subscription: Subscription, token: str) -> dict[str, Any]:
    return {
        "email": subscription.email,
        "unsubscribe_token": token,
        "created_at": iso(subscription.created_at),
    }
