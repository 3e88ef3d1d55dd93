"""Who asks, once it is known: what ``authorize`` (server/auth.py) decides by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from server.store.standing import Viewer


class Scope(StrEnum):
    """What a principal was given. ``admin`` holds all the others, and everybody's things."""

    READ = "read"
    SPEAK = "speak"
    WRITE = "write"
    EXPORT = "export"  # to take whole projects out
    ADMIN = "admin"


EVERYTHING = frozenset(Scope)
OWN_THINGS = EVERYTHING - {Scope.ADMIN}
OF_A_KEY = frozenset({Scope.READ, Scope.SPEAK, Scope.WRITE})
"""What an API key has that was made without saying."""


@dataclass(frozen=True, slots=True)
class Attends:
    """The meeting that somebody takes part in, and what is written down there."""

    participant_id: str
    meeting_id: str
    transcript_id: str | None
    is_over: bool = False  # then what was said can be read, and no sound needs a path any more


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``trusted``: they are known, or nobody has to be.

    ``host``: they run the server or, where no token is configured, this very machine asks.
    """

    name: str
    trusted: bool
    host: bool = False
    id: str | None = None  # whose things are theirs; None: nobody's in particular
    scopes: frozenset[Scope] = frozenset()
    public: bool = False  # nobody, who may create and speak all the same (public mode)
    refused: str = ""  # why what they showed was not believed; then they are nobody, and told this
    lapsed: bool = False  # what was not believed was good once: nobody guesses by it
    expires_at: float | None = None  # epoch time after which they are nobody
    key_id: str | None = None  # the API key that they came with, which may be revoked
    bot_id: str | None = None  # the bot that they are, by its token
    talks_only: bool = False  # by a client secret: in sessions of the Realtime API, and nothing else
    attends: Attends | None = None  # where they are let in besides, as a participant who shows the token of joining

    @property
    def is_admin(self) -> bool:
        return self.trusted and Scope.ADMIN in self.scopes

    @property
    def viewer(self) -> Viewer:
        """For lists and searches."""
        return Viewer(self.id, sees_all=self.is_admin)


def nobody(*, public: bool = False, refused: str = "", lapsed: bool = False) -> Principal:
    """Somebody unknown, who reads what is public; and speaks, in public mode."""
    scopes = OWN_THINGS if public else frozenset({Scope.READ})
    return Principal("anonymous", trusted=False, scopes=scopes, public=public, refused=refused, lapsed=lapsed)
