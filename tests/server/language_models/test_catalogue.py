"""Which model a name means."""

from __future__ import annotations

import asyncio

import pytest

from protocol.errors import EarshotError, LanguageModelFailed, LanguageModelUnavailable, ModelNotFound
from server.language_models.catalogue import KNOWN_S, UNCHOSEN, Catalogue
from server.language_models.extractive import EXTRACTIVE
from tests.fakes.language_model import MODELS, LanguageModelServer
from tests.server.language_models.asking import client_of, settings_for


async def test_without_a_language_model_there_is_one_that_is_none() -> None:
    catalogue = Catalogue(settings_for(""), None)
    assert (await catalogue.listed()).models == (EXTRACTIVE,)
    for name in ("", UNCHOSEN, EXTRACTIVE):
        assert await catalogue.resolve(name) == EXTRACTIVE
    with pytest.raises(ModelNotFound, match="there are: extractive") as told:
        await catalogue.resolve("gpt-4o")
    assert (told.value.details, told.value.http_status) == ({"models": [EXTRACTIVE]}, 404)


@pytest.mark.parametrize(
    ("default", "name", "model"),
    [
        ("", "", "small"),
        ("", UNCHOSEN, "small"),
        ("", "large", "large"),
        ("", "nested/name", "nested/name:latest"),
        ("", EXTRACTIVE, EXTRACTIVE),
        ("large", "", "large"),
        ("large", UNCHOSEN, "large"),
        ("large", "small", "small"),
        ("unlisted", UNCHOSEN, "unlisted"),
        ("unlisted", "unlisted", "unlisted"),
    ],
)
async def test_a_name_means_the_model_or_where_nobody_chose_the_default(
    server: LanguageModelServer, default: str, name: str, model: str
) -> None:
    async with client_of(server) as client:
        assert await Catalogue(settings_for(server.url, llm_model=default), client).resolve(name) == model


async def test_another_name_is_refused_with_those_there_are(server: LanguageModelServer) -> None:
    async with client_of(server) as client:
        catalogue = Catalogue(settings_for(server.url), client)
        with pytest.raises(ModelNotFound, match="small, large"):
            await catalogue.resolve("gpt-4o")
        assert (await catalogue.listed()).models == (*MODELS, EXTRACTIVE)
        server.models = (*MODELS, UNCHOSEN)
        assert await catalogue.resolve(UNCHOSEN) == "small"  # the list is believed for a while
        assert len(server.asked) == 1


async def test_the_list_is_asked_for_once_at_a_time_and_again_later(server: LanguageModelServer) -> None:
    now_s = 0.0
    async with client_of(server) as client:
        catalogue = Catalogue(settings_for(server.url, llm_model="large"), client, lambda: now_s)
        await asyncio.gather(*(catalogue.listed() for _ in range(5)))
        assert len(server.asked) == 1
        now_s, server.models = KNOWN_S, ("new",)
        assert (await catalogue.listed()).models == ("large", "new", EXTRACTIVE)
        assert len(server.asked) == 2


async def test_a_server_that_is_away_is_told_and_the_default_is_known_all_the_same(server: LanguageModelServer) -> None:
    server.faults += [500] * 8
    async with client_of(server) as client:
        listed = await Catalogue(settings_for(server.url, llm_model="large"), client).listed()
        assert (listed.models, "trouble" in listed.problem) == (("large", EXTRACTIVE), True)
        assert await Catalogue(settings_for(server.url, llm_model="large"), client).resolve(UNCHOSEN) == "large"
        for name in (UNCHOSEN, "gpt-4o"):
            with pytest.raises(LanguageModelUnavailable):
                await Catalogue(settings_for(server.url), client).resolve(name)
        server.models = ()
        with pytest.raises(LanguageModelFailed, match="no models"):
            await Catalogue(settings_for(server.url), client).resolve(UNCHOSEN)
    assert issubclass(LanguageModelFailed, EarshotError)
