"""The commit policies that there are, by name."""

from __future__ import annotations

from collections.abc import Callable

from asr.agreement import CommitPolicy, LocalAgreement
from protocol.errors import EngineFailed


def commit_policy(name: str) -> Callable[[], CommitPolicy]:
    """What makes a policy for each utterance: ``local-agreement`` or ``whisper-streaming``.

    Raises ``EngineFailed`` when the package of the policy is not here.
    """
    if name == "whisper-streaming":
        from asr.whisper_streaming_policy import WhisperStreamingPolicy

        return WhisperStreamingPolicy
    if name != "local-agreement":
        raise EngineFailed(f"no commit policy is called {name!r}; there are local-agreement and whisper-streaming")
    return LocalAgreement
