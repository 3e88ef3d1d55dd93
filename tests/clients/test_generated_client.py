"""A client that openapi-python-client makes of the served document, used against the server."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType
from pydantic import SecretStr

from protocol.ids import new_transcript_id
from protocol.states import TranscriptState
from tests.fakes.documented import documented
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

TOKEN = "canary-token-of-the-client"


async def generated(node: RunningApp, folder: Path) -> None:
    """Without a token: the document is for everybody."""
    document = folder / "openapi.json"
    document.write_bytes((await node.http.get("/v1/openapi.json")).content)
    problems = generate(
        config=Config.from_sources(
            ConfigFile(**json.loads(documented("api.md", "client.json"))),
            MetaType.NONE,
            document_source=document,
            file_encoding="utf-8",
            overwrite=False,
            output_path=folder / "earshot_client",
        )
    )
    told = [f"{problem.header} {problem.detail}" for problem in problems]
    # Session descriptions, which it does not know; of nothing else it complains.
    assert [text for text in told if "application/sdp" not in text and "trickle-ice" not in text] == []


class Api:
    """The operations by their names, whatever their tags."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.models = importlib.import_module("earshot_client.models")
        self.types = importlib.import_module("earshot_client.types")

    async def call(self, place: str, *path: str, **given: Any) -> Any:
        operation = importlib.import_module(f"earshot_client.api.{place}")
        return await operation.asyncio_detailed(*path, client=self.client, **given)


async def test_a_generated_client_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    async with running_app(tmp_path / "data", access_token=SecretStr(TOKEN)) as node:
        await generated(node, tmp_path)
        package = importlib.import_module("earshot_client")
        base_url = node.serving.url.rstrip("/")
        async with package.AuthenticatedClient(base_url=base_url, token=TOKEN) as client:
            await _through_its_life(node, Api(client))
        async with package.Client(base_url=base_url) as stranger:
            refused = await Api(stranger).call("transcripts.list_transcripts")
            assert (refused.status_code, refused.parsed.error.code) == (401, "NOT_AUTHORISED")


async def _through_its_life(node: RunningApp, api: Api) -> None:
    made = await api.call("transcripts.create_transcript", body=api.models.CreateTranscript(name="Talk"))
    assert (made.status_code, made.parsed.name, made.parsed.status) == (201, "Talk", "initializing")
    transcript_id = made.parsed.id

    wav = wav_of(scripted_sound(sentence("good morning")))
    sound = api.types.File(payload=io.BytesIO(wav), file_name="talk.wav", mime_type="audio/wav")
    form = importlib.import_module("earshot_client.api.audio.upload_audio").UploadAudioFilesBody(file=sound)
    uploaded = await api.call("audio.upload_audio", transcript_id, body=form)
    assert (uploaded.status_code, uploaded.parsed.id) == (201, transcript_id)
    await wait_for_state(node.services, transcript_id, TranscriptState.ENDED)

    got = (await api.call("transcripts.get_transcript", transcript_id)).parsed
    assert (got.status, got.created_at.tzinfo is not None) == ("completed", True)
    segments = (await api.call("transcripts.list_segments", transcript_id, size=10)).parsed
    assert [word.text for segment in segments.items for word in segment.words] == ["good", "morning"]
    downloaded = await api.call("audio.download_audio", transcript_id)
    assert downloaded.parsed.payload.read()[:4] == b"RIFF"
    text = await api.call("transcripts.export_transcript", transcript_id)
    assert "good morning" in text.parsed

    change = api.models.ChangeTranscript(name="Another")
    changed = await api.call("transcripts.change_transcript", transcript_id, body=change)
    assert changed.parsed.name == "Another"
    listed = (await api.call("transcripts.list_transcripts", search="Another")).parsed
    assert [item.id for item in listed.items] == [transcript_id]

    assert (await api.call("transcripts.delete_transcript", transcript_id)).status_code == 204
    for gone in (transcript_id, new_transcript_id()):
        missing = await api.call("transcripts.get_transcript", gone)
        assert (missing.status_code, missing.parsed.error.code) == (404, "NOT_FOUND")
    wrong = await api.call("transcripts.list_transcripts", page=0)
    assert wrong.parsed.error.details.additional_properties["problems"][0]["field"] == "query.page"
