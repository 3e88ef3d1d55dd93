"""A real nginx with a configuration of deploy/, on loopback, in a folder of its own."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

READY_S = 10.0
STOP_S = 20.0


def program() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def laid(conf: Path, folder: Path, addresses: Mapping[str, str]) -> Path:
    """A copy that keeps everything in ``folder``. ``addresses``: what takes the place of names and ports in it."""
    text = conf.read_text()
    changed = {
        **addresses,
        " /tmp/": f" {folder}/",  # first, for the folder may be below it
        " tls/": f" {folder}/",
        "/dev/stdout": f"{folder}/access.log",
        "error_log stderr warn": f"error_log {folder}/error.log warn",
        "worker_processes auto": "worker_processes 2",
    }
    for old, new in changed.items():
        assert old in text, f"{conf.name} says nothing of {old}"
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


def make_certificate(folder: Path) -> None:
    """For localhost, signed by itself."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:files.localhost"),
            *("-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )


def check(conf: Path) -> str:
    """What ``nginx -t`` has against it; empty: nothing."""
    nginx = program()
    assert nginx is not None
    told = subprocess.run([nginx, "-t", "-q", "-c", str(conf)], capture_output=True, text=True, timeout=60)
    return told.stderr if told.returncode else ""


@asynccontextmanager
async def running(conf: Path, port: int) -> AsyncIterator[None]:
    """Until it is left; ``port`` is one it listens on."""
    nginx = program()
    assert nginx is not None
    process = await asyncio.create_subprocess_exec(nginx, "-c", str(conf), "-g", "daemon off;")
    try:
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert process.returncode is None, (conf.parent / "error.log").read_text()
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            await process.wait()
