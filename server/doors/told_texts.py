"""What readers are told, as text: made once, however many are told it."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from protocol.events import Event, Interim
from protocol.wire import v1

KEPT_MAX = 256  # readers that are further behind make theirs again


def as_text(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class ToldTexts:
    """The texts of the newest events and interims. What the bus brings to many is one object, by which it is known."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[Event | Interim, str]] = OrderedDict()

    def of(self, item: Event | Interim) -> str:
        kept = self._kept.get(id(item))
        if kept is not None and kept[0] is item:
            return kept[1]
        text = as_text(v1.render(item) if isinstance(item, Event) else v1.render_interim(item))
        self._kept[id(item)] = item, text
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return text
