"""A token ends the one subscription that it was made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.ids import new_project_id, new_subscription_id
from server.reports.unsubscribing import UnsubscribeTokens


def test_a_token_is_of_its_subscription_and_project_alone(tmp_path: Path) -> None:
    tokens = UnsubscribeTokens.load(tmp_path / "reports.key")
    project, subscription = new_project_id(), new_subscription_id()
    token = tokens.make(project, subscription)
    assert tokens.subscription_of(project, token) == subscription
    assert UnsubscribeTokens.load(tmp_path / "reports.key").subscription_of(project, token) == subscription
    other = new_subscription_id()
    wrong = [
        *(token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1 :] for at in range(len(token))),
        *(
            "",
            ".",
            "x",
            f"{subscription}.",
            f"{subscription}.ü\ud800",
            token + "0" * 500,
            token.replace(subscription, other),
        ),
    ]
    assert {tokens.subscription_of(project, each) for each in wrong} == {None}
    assert tokens.subscription_of(new_project_id(), token) is None
    assert UnsubscribeTokens(b"x" * 32).subscription_of(project, token) is None
    with pytest.raises(ValueError, match="at least"):
        UnsubscribeTokens(b"short")
