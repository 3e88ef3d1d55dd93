"""schemathesis over the OpenAPI document: what is described holds for whatever is sent, right or wrong.

Every check that it has is on: no 5xx, documented statuses, types, headers and forms, wrong data refused, right data
taken, other methods answered with 405 and ``Allow``, nothing without the token, nothing after its deletion.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import hypothesis
import pytest

from tests.fakes.server_process import ServerProcess
from tests.server.routes import MEDIA_OF_BOTS

TOKEN = "canary-token-of-schemathesis"
ROOT = Path(__file__).parents[2]
# Of each operation, besides the cases that cover each rule of its description once. `make fuzz` tries many more.
EXAMPLES_FEW, EXAMPLES_MANY = 1, 300

# Of these bodies a description of their form does not say all: sound, session descriptions, moments to come, names
# of rooms, hashes, changes of nothing, one thing that two fields name.
MEANT = ["400", "406", "412", "413", "415", "422", "428"]
WITH_MEANING = (
    *("POST /v1/api-keys", "GET /v1/transcripts", "POST /v1/transcripts", "PATCH /v1/transcripts/{transcript_id}"),
    "POST /v1/transcripts_audio/{transcript_id}/upload",
    *("POST /v1/transcripts/{transcript_id}/record/upload", "POST /v1/transcripts/{transcript_id}/uploads"),
    "PUT /v1/transcripts/{transcript_id}/uploads/{upload_id}/chunks/{number}",
    *("GET /v1/transcripts", "GET /v1/transcripts/search"),
    *("POST /v1/rooms", "PATCH /v1/rooms/{room_id}", "POST /v1/meetings", "POST /v1/meetings/{meeting_id}/join"),
    *("POST /v1/rooms/{room_name}/meetings/{meeting_id}/join", "POST /v1/rooms/{room_name}/meeting"),
    "PATCH /v1/transcripts/{transcript_id}/participants/{participant_id}",
    *("POST /api/projects/{project_id}/webhooks", "PATCH /api/projects/{project_id}/webhooks/{webhook_id}"),
    *("POST /api/summary", "POST /api/chat"),
    *("POST /v1/audio/transcriptions", "POST /v1/audio/translations", "POST /v1/realtime/calls"),
    *(f"GET /api/v1/{kind}" for kind in ("bot", "recording", "realtime_endpoint", *MEDIA_OF_BOTS)),
    "POST /api/v1/bot",  # where endpoints may lead
    "PATCH /v1/transcripts/{transcript_id}/speaker/assign",
    "PATCH /v1/transcripts/{transcript_id}/speaker/merge",
    "POST /v1/transcripts/{transcript_id}/speaker/relabel",  # no fewer than are expected
    *("POST /v1/transcripts_webrtc/{transcript_id}/offer", "POST /v1/transcripts_webrtc/{transcript_id}/answer"),
    *("POST /api/transcribe", "POST /api/retranslate/segment", "POST /api/retranslate/segment-from-full"),
    *("POST /whip", "POST /whip/{transcript_id}", "PATCH /whip/{transcript_id}/{session_id}"),
)


def configuration(*, is_long: bool) -> str:
    taken = ["2xx", "3xx", "401", "403", "404", "409", "429", "503", *MEANT]
    tables = [
        f'[[operations]]\ninclude-name = "{name}"\nchecks.positive_data_acceptance.expected-statuses = {taken}\n'
        for name in WITH_MEANING
    ]
    # Whether other methods are refused is walked elsewhere (tests/server/doors/test_spellings.py), for all of them.
    refused = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429"]
    tables.append(f"[checks.negative_data_rejection]\nexpected-statuses = {refused}\n")
    tables.append("[phases.coverage]\nunexpected-methods = []\n")
    # Each operation is asked without rights and with wrong ones, in each way that it names. Keys beside the good token,
    # which nobody looks at, are a fifth of all cases.
    tables.append(f"[generation]\nwith-security-parameters = {str(is_long).lower()}\n")
    return 'hooks = "tests.fuzz.schemathesis_hooks"\nwarnings = false\n' + "\n".join(tables)


@pytest.mark.process
@pytest.mark.timeout(3600)
async def test_what_is_described_holds(tmp_path: Path) -> None:
    is_long = hypothesis.settings.get_current_profile_name() == "long"
    config = tmp_path / "schemathesis.toml"
    config.write_text(configuration(is_long=is_long))
    limits = {"creations_per_minute": 0, "failed_sign_ins_per_minute": 0, "chunk_max_mb": 2048}
    async with ServerProcess(tmp_path / "data", access_token=TOKEN, log_level="warning", **limits) as node:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", f"{node.url}/v1/openapi.json", "-H", f"Authorization: Bearer {TOKEN}"),
            *("--phases", "coverage,fuzzing,stateful" if is_long else "coverage"),
            *("--max-examples", str(EXAMPLES_MANY if is_long else EXAMPLES_FEW)),
            *(() if is_long else ("--generation-deterministic",)),
            *("--checks", "all", "--continue-on-failure", "--no-color"),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "*"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
