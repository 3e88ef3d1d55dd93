"""``python -m tests.bench [NAME ...] [--quick] [--parts PART,...]``: run benches, print their tables.

What they found goes to ``build/bench/NAME.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable

from tests.bench.figures import FOLDER, Figures
from tests.bench.node import pin_load


async def websocket(quick: bool) -> Figures:
    from tests.bench import streams

    figures = Figures("websocket", "WebSocket: live streams of 16 kHz PCM on one core")
    await streams.measure(figures, streams.WebSocketStream, count=8 if quick else 16, seconds=12.0 if quick else 40.0)
    return figures


async def webrtc(quick: bool) -> Figures:
    from tests.bench import receive, streams

    figures = Figures("webrtc", "WebRTC: live streams of Opus on one core")
    await streams.measure(figures, streams.WebRtcStream, count=4 if quick else 8, seconds=12.0 if quick else 40.0)
    await receive.measure(figures, quick=quick)
    return figures


async def bots(quick: bool) -> Figures:
    from tests.bench import bots as bench

    figures = Figures("bots", "Bots: meetings of five on one core")
    await bench.measure(figures, counts=(2, 4) if quick else (5, 10, 20, 30), seconds=12.0 if quick else 40.0)
    return figures


async def room(quick: bool) -> Figures:
    from tests.bench import room as bench

    figures = Figures("room", "Rooms: everybody hears the others")
    await bench.measure(figures, quick=quick)
    return figures


async def words(quick: bool) -> Figures:
    from tests.bench import words as bench

    figures = Figures("words", "Words: the embedded recogniser, live against whole file")
    await bench.measure(figures, quick=quick)
    return figures


async def loop(quick: bool, parts: tuple[str, ...] = ()) -> Figures:
    from tests.bench import loop as bench

    figures = Figures("loop", "The inference loop: live sessions per core")
    known = FOLDER / "loop.json"
    if parts and known.exists():  # the others stay as they were found
        before = json.loads(known.read_text())
        figures.values, figures.tables = before["figures"], before.get("tables", {})
        figures.notes.append(f"Measured again by themselves: {', '.join(parts)}.")
    await bench.measure(figures, quick=quick, parts=parts)
    return figures


async def cycles(quick: bool) -> Figures:
    from tests.bench import cycles as bench

    figures = Figures("cycles", "Connect, speak, drop: what is left of sessions that came and went")
    await bench.measure(figures, count=200 if quick else 2000)
    return figures


async def chunks(quick: bool) -> Figures:
    from tests.bench import chunks as bench

    figures = Figures("chunks", "Chunks: conversations of kiosks, from the upload to the last word")
    await bench.measure(figures, conversations=20 if quick else 500, chunks=20)
    return figures


async def jobs(quick: bool) -> Figures:
    from tests.bench import jobs as bench

    figures = Figures("jobs", "Jobs: a long file")
    await bench.long_file(figures, quick=quick)
    return figures


async def jobs_live(quick: bool) -> Figures:
    from tests.bench import jobs as bench

    figures = Figures("jobs-live", "Jobs: many files beside live speech")
    await bench.beside_live(figures, quick=quick)
    return figures


async def speakers(quick: bool) -> Figures:
    from tests.bench import speakers as bench
    from tests.bench import speakers_live

    figures = Figures("speakers", "Speakers: voices told apart in one microphone")
    await bench.measure(figures, quick=quick)
    await speakers_live.measure(figures, quick=quick)
    return figures


async def journal(quick: bool) -> Figures:
    from tests.bench import journal as bench

    figures = Figures("journal", "The journal: events stored, and a thousand readers")
    await bench.measure(figures, quick=quick)
    return figures


async def listing(quick: bool) -> Figures:
    from tests.bench import listing as bench

    figures = Figures("listing", "Lists and the search: a hundred thousand transcripts")
    await bench.measure(figures, count=4000 if quick else 100_000, asked=10 if quick else 50)
    return figures


BENCHES: dict[str, Callable[..., Awaitable[Figures]]] = {
    "websocket": websocket,
    "webrtc": webrtc,
    "bots": bots,
    "room": room,
    "words": words,
    "loop": loop,
    "cycles": cycles,
    "chunks": chunks,
    "jobs": jobs,
    "jobs-live": jobs_live,
    "speakers": speakers,
    "journal": journal,
    "listing": listing,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="less of everything: about a minute in all")
    parser.add_argument("--parts", default="", metavar="PART,...", help="of the bench loop, to be measured again")
    given = parser.parse_args()
    parts = tuple(part for part in given.parts.split(",") if part)
    if parts:
        from tests.bench.loop import PARTS

        if given.names != ["loop"] or set(parts) - set(PARTS):
            parser.error(f"--parts is for the bench loop, which has {', '.join(PARTS)}")
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    pin_load()
    for name in given.names or BENCHES:
        figures = asyncio.run(_run(name, parts, quick=given.quick))
        figures.show()
        print(f"  written to {figures.write()}\n")


async def _run(name: str, parts: tuple[str, ...], *, quick: bool) -> Figures:
    figures = await (BENCHES[name](quick, parts) if parts else BENCHES[name](quick))
    if quick:
        figures.notes.append("A quick run: the figures are coarse.")
    return figures


if __name__ == "__main__":
    main()
