"""Alerts ask for figures that there are."""

from __future__ import annotations

import re

from tests.deploy.files import DEPLOY, documents

SUFFIXES = ("_bucket", "_sum", "_count")


def test_alerts_ask_for_figures_that_there_are_and_say_what_to_do() -> None:
    figures = set(
        re.findall(r"^\| `(earshot_\w+)`", (DEPLOY.parent / "docs" / "operations.md").read_text(), re.MULTILINE)
    )
    [told] = documents(DEPLOY / "prometheus" / "alerts.yaml")
    rules = [rule for group in told["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        asked = re.findall(r"earshot_\w+", rule["expr"])
        for name in asked:
            plain = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
            assert plain in figures, f"{rule['alert']}: {name}"
        assert asked or rule["expr"].startswith("up{")
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "what_to_do"}
