"""Documents cannot drift: what they say of the code is compared with the code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from protocol import states
from protocol.errors import EarshotError
from protocol.wire import stream, v1
from server.settings_text import as_markdown
from tests import wire_examples

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
COMMENT_AND_JSON = re.compile(r"(?:<!-- (\w+): ([\w-]+) -->\n)?```json\n(.*?)```", re.DOTALL)

# Built in two parts, so that this file does not say them itself.
FORBIDDEN = tuple(
    first + second
    for first, second in (
        ("/wo", "rk/"),
        ("../sha", "red"),
        ("pypi.", "org"),
        ("pythonhosted.", "org"),
        ("npmjs.", "org"),
        ("/ro", "ot/"),
        ("/ho", "me/earshot"),
    )
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_settings_are_documented_as_they_are() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    assert text == as_markdown(), "run: earshot config --markdown > docs/settings.md"


def test_the_examples_of_the_sockets_are_what_the_codecs_make() -> None:
    text = wire_examples.DOCUMENT.read_text()
    assert text == wire_examples.written(text), "run: python -m tests.wire_examples"


def test_every_example_of_a_server_is_shown() -> None:
    shown = {match[2] for match in wire_examples.BLOCK.finditer(wire_examples.DOCUMENT.read_text())}
    assert shown == set(wire_examples.examples())


def test_every_example_of_a_client_is_understood() -> None:
    parse = {"stream": stream.parse_client, "listen": v1.parse_action}
    seen: dict[str, set[str]] = {"stream": set(), "listen": set()}
    for kind, name, body in COMMENT_AND_JSON.findall(wire_examples.DOCUMENT.read_text()):
        assert kind in ("example", "client"), f"nobody checks this example:\n{body}"
        json.loads(body)
        if kind == "client":
            seen[name].add(str(getattr(parse[name](body), "value", "start")))
    assert seen["stream"] == {"start", "finalize", "pause", "resume", "keepalive", "stop"}
    assert {"get_status", "pause", "resume", "stop"} <= seen["listen"]


def test_every_close_code_is_documented() -> None:
    table = wire_examples.DOCUMENT.read_text().partition("<!-- close codes -->")[2].partition("\n\n")[0]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("|")]
    documented = {(code.strip("` "), row[1].strip()) for row in rows for code in row[2].split(",")}

    def all_of(kind: type[EarshotError]) -> set[type[EarshotError]]:
        return {kind}.union(*(all_of(child) for child in kind.__subclasses__()))

    for kind in all_of(EarshotError):
        if kind.__module__ == "protocol.errors":
            assert (kind.code, str(kind.close_code)) in documented, kind


def test_the_state_diagrams_are_the_tables() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert states.diagram(states.TRANSCRIPT_MOVES) in text
    assert states.diagram(states.SESSION_MOVES) in text
    assert states.diagram(states.CHUNK_MOVES) in text
    assert states.diagram(states.DELIVERY_MOVES) in text
    assert states.diagram(states.REPORT_MOVES) in text
    assert states.diagram(states.SUMMARY_MOVES) in text


def test_commands_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z][\w%-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for code in re.findall(r"`make ([a-z0-9]+)", document.read_text()):
            assert code in targets, f"{document.name}: make {code}"
        for _, block in FENCE.findall(document.read_text()):
            for code in re.findall(r"^make ([a-z0-9]+)", block, re.MULTILINE):
                assert code in targets, f"{document.name}: make {code}"


def test_commands_of_earshot_exist() -> None:
    from typer.main import get_command

    from server.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for document in DOCUMENTS:
        for name in re.findall(r"\bearshot ([a-z]+)\b(?! is\b)", " ".join(_code(document))):
            assert name in commands, f"{document.name}: earshot {name}"


def _code(document: Path) -> list[str]:
    text = document.read_text()
    blocks = [block for kind, block in FENCE.findall(text) if kind == "sh"]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [span for span in (*blocks, *spans) if "docker" not in span] + [
        line for block in blocks for line in block.splitlines() if "docker" not in line
    ]


def test_modules_that_are_named_exist() -> None:
    """Each by its whole path, or by what is left of that below a folder that the document names or names a file of."""
    for document in DOCUMENTS:
        spans = set(re.findall(r"`(\w[\w./-]*)`", FENCE.sub("", document.read_text())))
        named = [Path(span) for span in spans if (ROOT / span).exists()]
        folders = {ROOT, *(ROOT / folder for path in named for folder in (path, *path.parents))}
        for name in spans:
            if name.endswith(".py"):
                assert any((folder / name).is_file() for folder in folders), f"{document.name}: {name}"


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in LINK.findall(document.read_text()):
            if "://" not in link and not link.startswith("#"):
                path = (document.parent / link.partition("#")[0]).resolve()
                assert path.exists(), f"{document.relative_to(ROOT)} links to {link}"


def test_every_promise_names_a_test() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("<!-- promises -->")[2].partition("\n\n")[0]
    rows = [row for row in table.strip().splitlines()[2:] if row]
    assert len(rows) == 12
    assert all("](../tests/" in row or "performance.md" in row for row in rows)


def test_nothing_names_this_machine_or_a_download_host() -> None:
    for path in tracked():
        # The one file that may say where CI keeps the recordings.
        if path.relative_to(ROOT).as_posix() == ".ci/run":
            continue
        content = path.read_bytes()
        for word in FORBIDDEN:
            assert word.encode() not in content, f"{path.relative_to(ROOT)} says {word}"


def test_the_package_declares_the_licence_that_is_here() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert 'license = { text = "Apache-2.0" }' in (ROOT / "pyproject.toml").read_text()
