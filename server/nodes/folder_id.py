"""Which data folder this is: what was recorded lies in the folder that recorded it, whichever process that was."""

from __future__ import annotations

import hashlib
from pathlib import Path

from server.key_file import load_key

NAME = "folder.id"


def folder_id(data_dir: Path) -> str:
    """Made once, in a file of the folder; a copy of the folder is the same one, so both must not be used at a time.
    Blocking. Raises ``OSError``."""
    return hashlib.sha256(load_key(data_dir / NAME)).hexdigest()[:32]
