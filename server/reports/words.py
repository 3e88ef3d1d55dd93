"""What reports say in their own words, in the languages of our pages. Others get English."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """``made`` has ``{at}``, ``between`` has ``{first}`` and ``{last}``, ``more`` has ``{count}``."""

    language: str
    made: str
    method: str
    conversations: str
    minutes: str
    words: str
    between: str
    topics: str
    times: str
    quotes: str
    tags: str
    tag: str
    untitled: str
    more: str
    nothing: str


_ENGLISH = Words(
    language="en",
    made="Made on {at} (UTC)",
    method=(
        "This report was put together without a language model: its sentences are sentences that were said, chosen "
        "because they are most like the others. Nobody has checked them."
    ),
    conversations="Conversations",
    minutes="Minutes",
    words="Words",
    between="From {first} to {last}",
    topics="What was talked about",
    times="times said",
    quotes="Sentences that stand for many",
    tags="Tags",
    tag="Tag",
    untitled="Without a title",
    more="And {count} more.",
    nothing="There are no conversations yet.",
)
_GERMAN = Words(
    language="de",
    made="Erstellt am {at} (UTC)",
    method=(
        "Dieser Bericht wurde ohne Sprachmodell zusammengestellt: Seine Sätze sind gesagte Sätze, ausgewählt, weil sie "
        "den anderen am ähnlichsten sind. Niemand hat sie geprüft."
    ),
    conversations="Gespräche",
    minutes="Minuten",
    words="Wörter",
    between="Von {first} bis {last}",
    topics="Worüber gesprochen wurde",
    times="Mal gesagt",
    quotes="Sätze, die für viele stehen",
    tags="Schlagwörter",
    tag="Schlagwort",
    untitled="Ohne Titel",
    more="Und {count} weitere.",
    nothing="Es gibt noch keine Gespräche.",
)
_FRENCH = Words(
    language="fr",
    made="Établi le {at} (UTC)",
    method=(
        "Ce rapport a été composé sans modèle de langue : ses phrases ont été dites telles quelles, choisies parce "
        "qu'elles ressemblent le plus aux autres. Personne ne les a vérifiées."
    ),
    conversations="Conversations",
    minutes="Minutes",
    words="Mots",
    between="Du {first} au {last}",
    topics="De quoi l'on a parlé",
    times="fois dit",
    quotes="Des phrases qui valent pour beaucoup",
    tags="Étiquettes",
    tag="Étiquette",
    untitled="Sans titre",
    more="Et {count} autres.",
    nothing="Il n'y a pas encore de conversations.",
)
_SPANISH = Words(
    language="es",
    made="Hecho el {at} (UTC)",
    method=(
        "Este informe se compuso sin modelo de lenguaje: sus frases se dijeron tal cual, elegidas porque son las que "
        "más se parecen a las demás. Nadie las ha comprobado."
    ),
    conversations="Conversaciones",
    minutes="Minutos",
    words="Palabras",
    between="Del {first} al {last}",
    topics="De qué se habló",
    times="veces dicho",
    quotes="Frases que valen por muchas",
    tags="Etiquetas",
    tag="Etiqueta",
    untitled="Sin título",
    more="Y {count} más.",
    nothing="Todavía no hay conversaciones.",
)
_KNOWN = {each.language: each for each in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)}


def words_of(language: str) -> Words:
    """Of a language such as ``de`` or ``de-AT``."""
    return _KNOWN.get(language.lower().partition("-")[0], _ENGLISH)
