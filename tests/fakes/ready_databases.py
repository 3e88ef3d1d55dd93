"""Databases that are migrated at once: copies of one file that the real migrations made."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path

import sqlalchemy as sa

from server.store import database, migrate


class ReadyDatabases:
    """``made`` is where the file to copy is kept; it is made when the first is wanted."""

    empty = staticmethod(database.prepare_file)

    def __init__(self, made: Path) -> None:
        self._made = made
        self._making = threading.Lock()

    def prepare_file(self, path: Path) -> None:
        """Instead of ``database.prepare_file``: what is not there yet is there and migrated afterwards."""
        self.empty(path)
        if not path.exists():
            self._migrate()
            copy = path.with_name(f"{path.name}.{threading.get_ident()}")
            shutil.copyfile(self._made, copy)
            with contextlib.suppress(FileExistsError):  # of two that open it at once, one makes it
                os.link(copy, path)
            copy.unlink()

    def _migrate(self) -> None:
        with self._making:
            if not self._made.exists():
                self._make()

    def _make(self) -> None:
        making = self._made.with_suffix(".making")
        engine = sa.create_engine(f"sqlite:///{making}")
        with engine.begin() as connection:
            migrate.upgrade(connection)
        engine.dispose()
        making.rename(self._made)
