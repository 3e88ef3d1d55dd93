"""Which sentences sound as if somebody is to do something: what is called a task, requests, promises. Pure.

By the phrases that say so in English, German, French and Spanish; in other languages, and of who only means it, there
are none. Nothing is understood: a sentence may be among them that asks nobody for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar


class _Said(Protocol):
    @property
    def text(self) -> str: ...


S = TypeVar("S", bound=_Said)

ENOUGH = 2  # together; when it is due weighs one, and is a task only where something else says so

_THEY = r"(?:i|we|you|he|she|they)"
_IDLE = r"(?:be|see|have|know|say|remember|never|not|also|hear|get to|talk about)\b"  # said often, and promises nothing

_CALLED = (
    r"action items?",
    r"to-?dos?",
    r"follow(?:ing)?[ -]up",
    r"(?:don't|dont|do not) forget",
    r"make sure",
    r"remember to",
    r"nicht vergessen",
    r"denk(?:t|en sie)? (?:bitte )?daran",
    r"n'oublie[sz]? pas",
    r"no (?:te|se) olvid\w+",
)
_ASKED = (
    r"please (?!note|welcome|see|excuse|forgive)\w+",
    rf"(?:can|could|would|will) you (?:please )?(?!imagine|believe|{_IDLE})\w+",
    r"let's (?!see|say|face|hope|be\b)\w+",
    r"(?:kannst du|können sie|könntest du|könnten sie)",
    r"(?:lass|lasst|lassen sie) uns",
    r"(?:peux-tu|pouvez-vous|pourrais-tu|pourriez-vous)",
    r"il faut (?:que|qu'|\w+er\b)",
    r"(?:puedes|podrías|puede usted|podría usted)",
    r"hay que \w+",
)
_PROMISED = (
    rf"{_THEY} (?:will|shall|need to|needs to|have to|has to|must|should) (?!{_IDLE})\w+",
    rf"{_THEY}'ll (?!{_IDLE})\w+",
    rf"(?:i'm|i am|we're|we are|he is|she is|they are) going to (?!{_IDLE})\w+",
    r"ich (?:werde|muss|kümmere mich)",
    r"wir (?:werden|müssen|sollten)",
    r"(?:du|sie) (?:musst|müssen|solltest|sollten)",
    r"je (?:vais|dois) \w+(?:er|ir|re)\b",
    r"(?:nous devons|on doit|vous devez|tu dois)",
    r"(?:voy|vamos) a \w+[aei]r\b",
    r"(?:tengo|tenemos|tienes|tienen) que",
    r"debemos",
)
_DUE = (
    r"(?:by|until|before) (?:the )?(?:\w+day|tomorrow|tonight|noon|end of|next)",
    r"(?:tomorrow|next (?:week|month|time))",
    r"bis (?:morgen|\w+tag|mittwoch|ende|nächste)",
    r"(?:avant|d'ici) (?:demain|\w+di|dimanche|la fin)",
    r"(?:para|antes de|hasta) (?:mañana|el \w+)",
)


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)")


_WEIGHTS = ((_any_of(_CALLED), 3), (_any_of(_ASKED), 2), (_any_of(_PROMISED), 2), (_any_of(_DUE), 1))


def action_items(said: Sequence[S], count: int) -> list[S]:
    """At most ``count`` of what is said, those that sound most like it; in the order they are said."""
    weights = {place: weight for place, each in enumerate(said) if (weight := _weight(each.text)) >= ENOUGH}
    best = sorted(weights, key=lambda place: -weights[place])[:count]
    return [said[place] for place in sorted(best)]


def _weight(text: str) -> int:
    text = text.lower().replace("’", "'")
    return sum(weight for pattern, weight in _WEIGHTS if pattern.search(text))
