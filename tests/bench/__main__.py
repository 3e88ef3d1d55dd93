"""``python -m tests.bench [NAME ...] [--quick]``: run benches, print their tables, write ``build/bench/NAME.json``."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from tests.bench.figures import Figures
from tests.bench.node import pin_load


async def websocket(quick: bool) -> Figures:
    from tests.bench import streams

    figures = Figures("websocket", "WebSocket: live streams of 16 kHz PCM on one core")
    await streams.measure(figures, streams.WebSocketStream, count=8 if quick else 16, seconds=12.0 if quick else 40.0)
    return figures


async def webrtc(quick: bool) -> Figures:
    from tests.bench import streams

    figures = Figures("webrtc", "WebRTC: live streams of Opus on one core")
    await streams.measure(figures, streams.WebRtcStream, count=4 if quick else 8, seconds=12.0 if quick else 40.0)
    return figures


async def words(quick: bool) -> Figures:
    from tests.bench import words as bench

    figures = Figures("words", "Words: the embedded recogniser, live against whole file")
    await bench.measure(figures, quick=quick)
    return figures


BENCHES: dict[str, Callable[[bool], Awaitable[Figures]]] = {"websocket": websocket, "webrtc": webrtc, "words": words}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="less of everything: about a minute in all")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    pin_load()
    for name in given.names or BENCHES:
        figures = asyncio.run(_run(name, quick=given.quick))
        figures.show()
        print(f"  written to {figures.write()}\n")


async def _run(name: str, *, quick: bool) -> Figures:
    figures = await BENCHES[name](quick)
    if quick:
        figures.notes.append("A quick run: the figures are coarse.")
    return figures


if __name__ == "__main__":
    main()
