"""Brings a database to the newest revision, whatever version of Earshot made it. Run at every open."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from protocol.errors import StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that all nodes share: of two that start together, one waits.
ADVISORY_LOCK = 0x45617273


def upgrade(connection: sa.Connection) -> None:
    """Run what is missing inside the caller's transaction: all or nothing.

    Raises ``StoreUnavailable`` for a database that a newer version of Earshot made.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    if MigrationContext.configure(connection).get_current_heads() == _heads():
        return  # without the work of a plan that would be empty
    config = Config()
    # "%" starts an interpolation in Alembic's configuration.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreUnavailable("the database was made by a newer version of Earshot; update this one") from None


@cache
def _heads() -> tuple[str, ...]:
    return tuple(ScriptDirectory(str(MIGRATIONS)).get_heads())
