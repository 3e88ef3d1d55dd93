from __future__ import annotations

from pathlib import Path

from tests.bench.bots import Bot
from tests.bench.figures import Figures
from tests.bench.report import CURVE, report
from tests.bench.streams import talk, wrong
from tests.fakes.running_app import running_app


async def test_a_bot_of_the_bench_is_heard_and_its_documents_are_read(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        registered = (await node.http.post("/api/v1/bot/", json={})).json()
        bot = Bot(f"http://127.0.0.1:{node.port}", registered, [talk(2.8, 0.0), talk(2.8, 0.2)])
        await bot.run(node.http)
        assert [(len(heard.finals), wrong(heard)) for heard in bot.heard.values()] == [(4, 0), (4, 0)]
        took_ms, words_wrong = await bot.documents(node.http)
        assert (words_wrong, bot.refused) == (0, {})
        assert took_ms > 0
        bot.heard["Person 1"].words.append(("more", 3.0))
        assert (await bot.documents(node.http))[1] == 1


def test_the_curve_is_reported_as_a_table(tmp_path: Path) -> None:
    figures = Figures("bots", "Bots")
    figures.tables["curve"] = [{"bots": 5, "loop_lag_p99_ms": 0.81234, "kept_up": True}, {"bots": 9, "kept_up": False}]
    figures.write(tmp_path)
    rows = [line for line in report(tmp_path).splitlines() if line.endswith(("| yes |", "| no |"))]
    assert [row.count("|") for row in rows] == [len(CURVE) + 2] * 2
    assert rows[0].startswith("| 5 | - | - | - | - | 0.812 |")
