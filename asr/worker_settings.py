"""What the server tells the inference process at its start. Both halves of asr import it: nothing heavy here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

TOLD_APART = "told apart"


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of one inference process; units are in the names.

    ``engine`` is ``auto``, a model's name from the catalogue, or ``scripted`` (tests). ``step_deadline_s``,
    ``start_deadline_s`` and ``memory_max_mb`` (0: no limit) are kept by the supervisor, in ``asr.client``. ``workers``:
    how many processes (0: as many as the engine is good for here); ``index`` says which of them this is, and so its
    device. ``commit_policy``: a name that ``asr.agreement`` knows. ``speaker_encoder``, ``speaker_segmentation``: see
    ``asr.engines.choose_encoder``. ``shared_in``: the folder of the sockets at which other servers come to the
    processes (``asr.sharing``), empty where nobody does. ``riva_...``: of the engine ``riva`` (``asr.engines.riva``).
    """

    engine: str = "auto"
    language: str = "en"
    models_dir: Path = Path("data/models")
    utterance_silence_ms: int = 500
    utterance_max_s: float = 20.0
    interim_interval_ms: int = 300
    commit_policy: str = "local-agreement"
    speaker_encoder: str = "auto"
    speaker_segmentation: str = "auto"
    step_deadline_s: float = 30.0
    start_deadline_s: float = 180.0
    memory_max_mb: int = 0
    workers: int = 0
    index: int = 0
    shared_in: str = ""
    riva_url: str = ""
    riva_tls: bool = False
    riva_ca_file: str = ""
    riva_token: str = field(default="", repr=False)
    riva_model: str = ""
    riva_deadline_s: float = 10.0
    riva_hotword_boost: float = 20.0
    riva_diarization: bool = False

    @property
    def shared_at(self) -> Path | None:
        """The socket of this process, where it is shared."""
        return Path(self.shared_in) / f"engine-{self.index}" if self.shared_in else None

    def to_json(self) -> str:
        """For a command line: of the token it says no more than that one will be told (``wire.Credentials``)."""
        token = TOLD_APART if self.riva_token else ""
        return json.dumps(asdict(self) | {"models_dir": str(self.models_dir), "riva_token": token})

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """The opposite of ``to_json``. Raises ``ValueError`` for text that it did not write."""
        values = json.loads(text)
        if not isinstance(values, dict) or set(values) != {field.name for field in fields(cls)}:
            raise ValueError("these are no worker settings")
        return cls(**values | {"models_dir": Path(values["models_dir"])})
