"""A client secret opens Realtime sessions for as long as it says, as whoever made it, and nothing else."""

from __future__ import annotations

import pytest

from protocol.errors import Forbidden, NotAuthorised
from server.accounts.client_secrets import ClientSecrets, is_client_secret
from server.accounts.principal import OWN_THINGS, Principal
from server.accounts.tickets import Tickets
from server.auth import Action, authorize
from server.store.store import Store

ANNA = Principal("Anna", trusted=True, id="anna", scopes=OWN_THINGS, key_id="key_1", expires_at=5e9)


async def test_it_can_be_shown_more_than_once_until_it_is_over(store: Store) -> None:
    now = 1_700_000_000.0
    secrets = ClientSecrets(store.keys, clock=lambda: now)
    secret, expires_at = await secrets.make(ANNA, {"type": "transcription"}, lasts_s=600)
    assert is_client_secret(secret)
    assert expires_at == now + 600
    for _ in range(2):
        found = await secrets.identify(secret)
        assert (found.id, found.key_id, found.expires_at, found.talks_only) == ("anna", "key_1", 5e9, True)
    assert await secrets.session_of(secret) == {"type": "transcription"}
    late, _ = await secrets.make(ANNA, {}, lasts_s=-1)
    for other in (late, f"ek_{'x' * 43}"):
        with pytest.raises(NotAuthorised):
            await secrets.identify(other)
        assert await secrets.session_of(other) == {}
    with pytest.raises(NotAuthorised):
        await Tickets(store.keys, ticket_s=60).redeem(secret, None)


@pytest.mark.parametrize("action", [each for each in Action if each is not Action.TALK])
def test_it_does_nothing_else(action: Action) -> None:
    talker = Principal("Anna", trusted=True, id="anna", scopes=OWN_THINGS, talks_only=True)
    authorize(talker, Action.TALK)
    if action in (Action.PAGE, Action.DESCRIBE, Action.HEALTH, Action.PUT_BLOB, Action.DOWNLOAD):
        return
    with pytest.raises(Forbidden):
        authorize(talker, action)
