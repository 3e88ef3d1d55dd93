"""Projects as hosts see them, and as their participants do."""

from __future__ import annotations

from typing import Any

from server.doors.v1.views import iso
from server.projects.portal import portal_of
from server.store.project_records import Project, Tag


def tag_view(tag: Tag) -> dict[str, Any]:
    return {"id": tag.id, "text": tag.text, "created_at": iso(tag.created_at)}


def portal_url(project_id: str, base_url: str) -> str:
    """What participants are given, and what the QR code says."""
    return f"{base_url}/p/{project_id}"


def project_view(project: Project, base_url: str) -> dict[str, Any]:
    """All of it, for its host. ``portal_url`` is what participants are given."""
    return {
        "id": project.id,
        "name": project.name,
        "user_id": project.owner,
        "language": project.language,
        "is_open": project.is_open,
        **portal_of(project.portal).model_dump(mode="json"),
        "tags": [tag_view(tag) for tag in project.tags],
        "portal_url": portal_url(project.id, base_url),
        "created_at": iso(project.created_at),
        "updated_at": iso(project.updated_at),
    }


def public_view(project: Project) -> dict[str, Any]:
    """What whoever has the id may know. What neighbouring systems call otherwise is there under that name, too."""
    portal = portal_of(project.portal)
    return {
        "id": project.id,
        "title": portal.title or project.name,
        "language": project.language,
        "is_open": project.is_open,
        "is_conversation_allowed": project.is_open,
        "tags": [{"id": tag.id, "text": tag.text} for tag in project.tags],
        "welcome_text": portal.welcome_text,
        "finish_text": portal.finish_text,
        "ask_for_name": portal.ask_for_name,
        "name_label": portal.name_label,
        "ask_for_email": portal.ask_for_email,
        "organiser_name": portal.organiser_name,
        "legal_basis": portal.legal_basis,
        "privacy_policy_url": portal.privacy_policy_url,
        "logo_url": portal.logo_url,
        "default_conversation_title": portal.title,
        "default_conversation_description": portal.welcome_text,
        "default_conversation_finish_text": portal.finish_text,
        "default_conversation_ask_for_participant_name": portal.ask_for_name,
        "default_conversation_ask_for_participant_email": portal.ask_for_email,
        "conversation_ask_for_participant_name_label": portal.name_label,
        "whitelabel_logo_url": portal.logo_url,
        "report_enabled": portal.report_enabled,
        "retention_days": portal.retention_days,
        "is_project_notification_subscription_allowed": portal.report_enabled and portal.notifications_enabled,
        # What we do not do, said in the words of those that ask: neither replies nor verification.
        "is_get_reply_enabled": False,
        "is_verify_enabled": False,
        "is_verify_on_finish_enabled": False,
        "verification_topics": [],
        "default_conversation_tutorial_slug": "",
    }
