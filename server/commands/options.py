"""Settings from the command line: named options, and every other setting as an option of the same name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.commands.failure import USAGE, CommandFailed

if TYPE_CHECKING:
    from server.settings import Settings


def load(given: Sequence[str] = (), **options: object) -> Settings:
    """The settings of this run; ``given`` are options as typed (``--sessions-max 8``). Exit code 2 when unusable."""
    from server.settings import SettingsError, load_settings

    try:
        return load_settings(**{**options, **parse_options(given)})
    except SettingsError as error:
        problems = "; ".join(str(error).splitlines())
        raise CommandFailed(
            f"These settings cannot be used: {problems}. `earshot config` lists them all.", USAGE
        ) from None


def parse_options(given: Sequence[str]) -> dict[str, str]:
    """``--sessions-max 8`` or ``--sessions-max=8`` as ``{"sessions_max": "8"}``; unknown names end with exit code 2."""
    from server.settings import Settings

    known = {"--" + name.replace("_", "-"): name for name in Settings.model_fields}
    found: dict[str, str] = {}
    rest = list(given)
    while rest:
        typed = rest.pop(0)
        option, equals, value = typed.partition("=")
        if option not in known:
            raise CommandFailed(f"There is no option {option}.{_nearest(option, list(known))}", USAGE)
        if not equals:
            if not rest:
                raise CommandFailed(f"{option} needs a value.", USAGE)
            value = rest.pop(0)
        found[known[option]] = value
    return found


def _nearest(option: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(option, known, n=1)
    return f" Did you mean {near[0]}?" if near else " `earshot config` lists them all."
