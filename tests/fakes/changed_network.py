"""A CTranslate2 Whisper that does what it does, but for the methods that a test gives it."""

from __future__ import annotations

from typing import Any


class ChangedNetwork:
    def __init__(self, network: Any, **methods: Any) -> None:
        self._network = network
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._network, name)
