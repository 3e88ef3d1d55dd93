"""What a load found: one document for programs, and the same as a page of text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from server.load.running import Load
from server.load.tally import Tally
from server.load.words import Loss, compare

OWN_LATE_MS = 50
"""If this process wakes later than that, one time in a hundred, its figures say more of itself than of the server."""


def document(load: Load) -> dict[str, Any]:
    plan, tally = load.plan, load.tally
    return {
        "servers": [address.http for address in plan.addresses],
        "sound": {
            "name": plan.sound.name,
            "round_s": round(plan.sound.round_s, 3),
            "rounds": plan.rounds,
            "is_cut": plan.sound.is_cut,
            "words_from": "text" if plan.has_words else "one_alone",
            "words_of_a_round": {kind: len(words) for kind, words in load.expected.items()},
            **_against_text(load),
        },
        "sessions": {
            "asked": tally.asked,
            "sockets": plan.sockets,
            "webrtc": plan.webrtc,
            "let_in": tally.let_in,
            "without_place": tally.without_place,
            "unanswered": tally.unanswered,
            "finished": tally.finished,
            "broken": tally.broken,
            "reconnects": tally.reconnects,
            "sent_s": round(tally.sent_s, 1),
        },
        "latency_ms": {
            "begin_to_let_in": tally.begin.figures(),
            "sound_to_interim": tally.interim.figures(),
            "speech_to_final": tally.final.figures(),
            "speech_to_final_at_listeners": tally.listened.figures(),
            "upload_to_last_word": tally.upload.figures(),
        },
        "alone_latency_ms": {
            "sound_to_interim": load.alone.interim.figures(),
            "speech_to_final": load.alone.final.figures(),
        },
        "lag_told_ms": tally.lag.figures(),
        "client_ms": {"frames_late": tally.frames_late.figures(), "process_late": tally.own_late.figures()},
        "words": _loss(tally.words),
        "sound_missing_s": round(tally.sound_missing_s, 3),
        "transcripts_unread": tally.unread,
        "transcripts_left": tally.left,
        "listeners": {
            "count": tally.listeners,
            "events": tally.events,
            "missing": tally.events_missing,
            "doubled": tally.events_doubled,
            "out_of_order": tally.events_misplaced,
            "reconnects": tally.listener_reconnects,
        },
        "uploads": {
            "count": tally.uploads,
            "done": tally.uploads_done,
            "failed": tally.uploads_failed,
            "refused": tally.uploads_refused,
            "words": _loss(tally.upload_words),
        },
        "refused": {"by_code": dict(tally.refused.by_code), "waited_s": round(tally.waited_s, 1)},
        "errors": dict(tally.errors.by_code),
        "interrupted": load.stop.is_set(),
        "lost": tally.lost,
        "lossy_transcripts": tally.lossy,
    }


def _loss(loss: Loss) -> dict[str, int]:
    return {
        "expected": loss.expected,
        "missing": loss.missing,
        "added": loss.added,
        "changed": loss.changed,
    }


def _against_text(load: Load) -> dict[str, Any]:
    """How well the sound is understood at all: what one alone missed is lost to everybody."""
    text = load.plan.sound.text
    if load.plan.has_words or not text:
        return {}
    return {
        "text_words": len(text),
        "one_alone_against_text": {kind: _loss(compare(text, words)) for kind, words in load.expected.items()},
    }


def as_text(told: Mapping[str, Any]) -> str:
    """Lines for people."""
    sessions, sound, words, listeners = told["sessions"], told["sound"], told["words"], told["listeners"]
    lines = [
        f"{' '.join(told['servers'])}: {sound['name']}, {sound['rounds']} x {sound['round_s']:.1f} s",
        "",
        _row("sessions", f"{sessions['finished']} of {sessions['asked']} spoke to their end", _besides(sessions)),
    ]
    for name, times in {**told["latency_ms"], "lag told by the server": told["lag_told_ms"]}.items():
        lines += [_times(name.replace("_", " "), times)] if times["count"] else []
    alone = told["alone_latency_ms"]["speech_to_final"]
    lines += [_times("the same, one alone", alone)] if alone["count"] else []
    lines += [_times("frames sent late", told["client_ms"]["frames_late"])]
    lines += [_times("this process late", told["client_ms"]["process_late"])]
    lines += [_row("words", _words(words), "")]
    for kind, loss in sound.get("one_alone_against_text", {}).items():
        lines += [_row(f"one {kind} alone", f"of the text's {_words(loss)}", "")]
    if listeners["count"]:
        counts = f"{listeners['count']} heard {listeners['events']} events"
        faults = f"{listeners['missing']} missing, {listeners['doubled']} doubled"
        lines += [_row("listeners", f"{counts}: {faults}", f"{listeners['reconnects']} reconnects")]
    uploads = told["uploads"]
    if uploads["count"]:
        counts = f"{uploads['done']} of {uploads['count']} done, {uploads['refused']} refused"
        lines += [_row("uploads", f"{counts}; {_words(uploads['words'])}", "")]
    if told["refused"]["by_code"]:
        lines += [_row("refused", _codes(told["refused"]["by_code"]), f"stayed away {told['refused']['waited_s']} s")]
    lines += [_row("errors", _codes(told["errors"]) or "none", "")]
    return "\n".join([*lines, "", *_verdict(told)]) + "\n"


def _verdict(told: Mapping[str, Any]) -> list[str]:
    late = told["client_ms"]["process_late"].get("p99", 0.0)
    lines = []
    if late > OWN_LATE_MS:
        lines.append(f"This machine was too busy to measure: it woke {late:.0f} ms late. Use a faster one, or several.")
    if told["transcripts_left"]:
        lines.append(f"{told['transcripts_left']} transcripts could not be deleted.")
    if told["interrupted"]:
        lines.append("Interrupted: only what was said to its end is compared.")
    if told["lossy_transcripts"]:
        lines.append(f"In (kept with --keep): {', '.join(told['lossy_transcripts'])}.")
    return [*lines, f"Lost: {', '.join(told['lost'])}." if told["lost"] else "Nothing was lost."]


def _besides(sessions: Mapping[str, Any]) -> str:
    counts = {"without_place": "had no place", "broken": "broke", "reconnects": "reconnects"}
    return ", ".join(f"{sessions[key]} {what}" for key, what in counts.items() if sessions[key])


def _times(name: str, times: Mapping[str, float]) -> str:
    told = "".join(f"  {key} {times.get(key, math.nan):>7.0f} ms" for key in ("p50", "p95", "p99", "max"))
    return f"{name:<30}{told}"


def _row(name: str, value: str, besides: str) -> str:
    return f"{name:<30}  {value}" + (f"; {besides}" if besides else "")


def _words(loss: Mapping[str, int]) -> str:
    return (
        f"{loss['expected']} words {loss['missing']} are missing, {loss['added']} added, {loss['changed']} changed"
        if loss["expected"]
        else "none to compare"
    )


def _codes(by_code: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in sorted(by_code.items()))


def progress_line(load: Load) -> str:
    """How it stands, in a line."""
    tally: Tally = load.tally
    interim, final = (times.percentile(95) for times in (tally.interim, tally.final))
    return (
        f"{tally.speaking} speak, {tally.finished} done, {tally.without_place} without a place, {tally.broken} broken; "
        f"interim p95 {_ms(interim)}, final p95 {_ms(final)}; refused {tally.refused.total}, errors "
        f"{tally.errors.total}, reconnects {tally.reconnects}; own lateness p99 {_ms(tally.own_late.percentile(99))}"
    )


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} ms"
