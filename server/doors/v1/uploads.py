"""Taking an uploaded file: streamed to a file of ours in the data folder, never under a name of theirs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from starlette.requests import Request

from protocol.errors import BadInput
from server.doors.v1.digests import promised_sha256
from server.doors.v1.multipart import MultipartReader, PartBegins, PartData, PartEnds, boundary_of
from server.doors.v1.voices import voices_of
from server.files import disk_full, storage_error
from server.limits import body_pieces, too_large
from server.live import SourceOptions
from server.services import Services
from server.settings import Settings

FILE_FIELDS = frozenset({"file", "chunk"})
FIELDS_MAX_BYTES = 16 * 1024  # all plain fields together
FORM_MAX_BYTES = 64 * 1024  # boundaries, headers and fields around the file
FILENAME_MAX_CHARS = 200
WRITE_BYTES = 1 << 20  # collected before a write goes to a thread
MEBIBYTE = 1 << 20

Grant = Callable[[Mapping[str, str]], int]


@dataclass
class Upload:
    """A file that was received. ``hand_over`` gives it away; else ``discard`` removes it. Both may be called."""

    path: Path
    filename: str = ""
    length_bytes: int = 0
    hasher: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)
    fields: dict[str, str] = field(default_factory=dict)
    is_ours: bool = True
    length_max_bytes: int | None = None  # besides what is asked for; as the form's fields grant

    @property
    def sha256(self) -> str:
        return self.hasher.hexdigest()

    async def hand_over(self, services: Services, transcript_id: str) -> str:
        """The intake takes the file over and transcribes it. Returns the track's id; raises what the intake raises, and
        ``ValidationFailed`` for what the form's fields say of voices."""
        options = SourceOptions(voices=voices_of(self.fields), let_in=True)
        track_id = await services.intake.add_file(transcript_id, self.path, filename=self.filename, options=options)
        self.is_ours = False
        return track_id

    def discard(self) -> None:
        if self.is_ours:
            self.path.unlink(missing_ok=True)
            self.is_ours = False


def is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def receive_upload(
    request: Request,
    settings: Settings,
    *,
    max_bytes: int | None = None,
    may_be_form: bool = True,
    grant: Grant | None = None,
) -> Upload:
    """The body as a file on disk: a form with ``file`` or ``chunk``, or else the raw body.

    ``grant`` looks at the fields of a form that come before its file, and says how long that may be, or raises: before
    anything of it is taken.

    Raises ``TooLarge``, ``BadInput`` (no file in it, empty, cut off, not what its digest says), ``DiskFull`` when the
    disk is full or nearly.
    """
    max_bytes = settings.upload_max_mb * MEBIBYTE if max_bytes is None else max_bytes
    promised = promised_sha256(request.headers)
    folder = settings.data_dir / "incoming"
    handle, name = await asyncio.to_thread(_create, folder, settings)
    upload = Upload(Path(name))
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            if may_be_form and is_multipart(request):
                promised = None  # of the form, not of the file in it
                await _receive_form(request, file, upload, max_bytes, grant)
            else:
                upload.filename = clean_filename(unquote(request.headers.get("x-filename", "")))
                await _write(file, upload, body_pieces(request, max_bytes), max_bytes)
        if not upload.length_bytes and upload.filename:
            raise BadInput("this file is empty: there is no sound in it")
        if not upload.length_bytes:
            how = "as the body, or as the form's file 'file'" if may_be_form else "as the body"
            raise BadInput(f"there is no sound in this: send the file {how}")
        if promised is not None and promised != upload.sha256:
            raise BadInput("these are not the bytes that were sent: send them again", details={"sha256": upload.sha256})
    except OSError as error:
        upload.discard()
        raise storage_error(error) from error
    except BaseException:
        upload.discard()
        raise
    return upload


def _create(folder: Path, settings: Settings) -> tuple[int, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < settings.disk_reserve_mb * MEBIBYTE:
            raise disk_full()
        return tempfile.mkstemp(prefix="upload-", dir=folder)
    except OSError as error:
        raise storage_error(error) from error


async def _receive_form(request: Request, file: BinaryIO, upload: Upload, max_bytes: int, grant: Grant | None) -> None:
    reader = MultipartReader(boundary_of(request.headers["content-type"]))
    pieces = body_pieces(request, max_bytes, around_bytes=FORM_MAX_BYTES)
    await _write(file, upload, _file_of(reader, pieces, upload, grant), max_bytes)
    if not reader.is_done:
        raise BadInput("the multipart body ended early")


async def _file_of(
    reader: MultipartReader, pieces: AsyncIterator[bytes], upload: Upload, grant: Grant | None
) -> AsyncIterator[bytes]:
    """The bytes of the file's part; the plain fields go into ``upload.fields``."""
    into = ""  # the plain field that is being read
    in_file = had_file = False
    fields: dict[str, bytes] = {}
    async for piece in pieces:
        for item in reader.feed(piece):
            match item:
                case PartBegins(name, filename):
                    in_file = name in FILE_FIELDS and filename is not None
                    if in_file and had_file:
                        raise BadInput("one file a request, please")
                    if in_file:
                        had_file, upload.filename = True, clean_filename(filename or "")
                    if in_file and grant is not None:
                        upload.length_max_bytes = grant(_texts(fields))
                    into = name
                    if name in fields:
                        fields[name] += b"\n"  # a list, as forms spell one: each item is a field of the same name
                case PartData(data) if in_file:
                    yield data
                case PartData(data):
                    fields[into] = fields.get(into, b"") + data
                    if sum(map(len, fields.values())) > FIELDS_MAX_BYTES:
                        raise too_large(FIELDS_MAX_BYTES)
                case PartEnds():
                    in_file = False
    upload.fields = _texts(fields)


def _texts(fields: Mapping[str, bytes]) -> dict[str, str]:
    return {name: value.decode("utf-8", "replace") for name, value in fields.items()}


async def _write(file: BinaryIO, upload: Upload, pieces: AsyncIterator[bytes], max_bytes: int) -> None:
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        upload.length_bytes += len(piece)
        if upload.length_bytes > min(max_bytes, upload.length_max_bytes or max_bytes):
            raise too_large(upload.length_max_bytes or max_bytes)
        if len(waiting) >= WRITE_BYTES:
            await asyncio.to_thread(_write_all, file, upload, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(_write_all, file, upload, bytes(waiting))


def _write_all(file: BinaryIO, upload: Upload, data: bytes) -> None:
    upload.hasher.update(data)
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def clean_filename(filename: str) -> str:
    """A name to show, never a path: the last part of what they call it, without what does not print."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in last if char.isprintable()).strip()[:FILENAME_MAX_CHARS]
