from __future__ import annotations

import sys

import pytest

from asr.agreement import LocalAgreement
from asr.commit_policies import commit_policy
from protocol.errors import EngineFailed


def test_a_policy_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commit_policy("local-agreement") is LocalAgreement
    with pytest.raises(EngineFailed, match="no commit policy is called 'eager'"):
        commit_policy("eager")
    monkeypatch.setitem(sys.modules, "whisper_streaming", None)
    monkeypatch.delitem(sys.modules, "asr.whisper_streaming_policy", raising=False)
    with pytest.raises(EngineFailed, match="pip install --no-deps whisper-streaming"):
        commit_policy("whisper-streaming")
