"""Imports only go down, libraries stay in their rooms, modules stay short, and no queue is without a bound."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("protocol", "media", "asr", "server")
LINES_MAX = 420

# Which other rooms a room may import. Nobody imports server, and media and asr do not know each other.
BELOW = {
    "protocol": frozenset[str](),
    "media": frozenset({"protocol"}),
    "asr": frozenset({"protocol"}),
    "server": frozenset({"protocol", "media", "asr"}),
    "web_client": frozenset[str](),
}

ENGINE_LIBRARIES = frozenset(
    {"onnxruntime", "pocketsphinx", "ctranslate2", "faster_whisper", "tokenizers", "sherpa_onnx", "silero_vad"}
    | {"riva", "grpc"}
)
# A library, and the only places (folders or modules) that import it.
HOMES = {
    "aiortc": ("media/webrtc/",),
    "aioice": ("media/webrtc/",),
    "pylibsrtp": ("media/webrtc/",),
    "av": ("media/", "web_client/sample/"),  # the latter: a recipe, run by hand
    "starlette": ("server/",),
    "fastapi": ("server/",),
    "uvicorn": ("server/",),
    "sqlalchemy": ("server/",),
    # The worker half of asr; of it, only what runs a model.
    **dict.fromkeys(ENGINE_LIBRARIES, ("asr/engines/", "asr/speakers/", "asr/vad.py")),
}
# The server's process loads these, so whatever they import is loaded there as well.
CLIENT_HALF = ("asr/client.py", "asr/wire.py", "asr/models.py", "asr/engines/choose.py", "server/regrouping.py")

MIGRATIONS = "server/store/migrations/versions/"

_QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "JoinableQueue"}


def modules(*folders: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(module: str, source: str, *, at_load_only: bool = False) -> Iterator[str]:
    """The full names that a module imports, ours relative ones resolved. ``at_load_only``: not within functions."""
    package = module.removesuffix(".py").removesuffix("/__init__").split("/")
    if not module.endswith("__init__.py"):
        package.pop()
    for node in _walk(ast.parse(source), into_functions=not at_load_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            # ``from asr import wire`` imports asr.wire, so both names count.
            yield from (name, *(f"{name}.{alias.name}" for alias in node.names))


def _walk(node: ast.AST, *, into_functions: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not into_functions:
            continue
        yield child
        yield from _walk(child, into_functions=into_functions)


def arrows(module: str, source: str) -> list[str]:
    """What a module imports and must not."""
    room = module.split("/")[0]
    wrong = []
    for name in imports(module, source):
        top = name.split(".")[0]
        if top in BELOW:
            if top != room and top not in BELOW[room]:
                wrong.append(f"{module} imports {name}: {room} knows {sorted(BELOW[room]) or 'no other room'}")
            elif module.startswith(MIGRATIONS):
                wrong.append(f"{module} imports {name}: what a migration does must not change with the code around it")
            elif top in ("media", "asr") and module.startswith("server/doors/"):
                wrong.append(f"{module} imports {name}: a door calls the server's rooms only")
        elif top == "tests":
            wrong.append(f"{module} imports {name}: nothing that is served knows the tests")
        elif room == "protocol" and top != "pydantic" and top not in sys.stdlib_module_names:
            wrong.append(f"{module} imports {name}: protocol knows the standard library and pydantic")
        elif top in HOMES and not module.startswith(HOMES[top]):
            wrong.append(f"{module} imports {name}: only {', '.join(HOMES[top])} may")
    return sorted(set(wrong))


def unbounded_queues(module: str, source: str) -> list[str]:
    """Calls that make a queue without a bound."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        made = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Subscript):  # asyncio.Queue[int]()
            made = getattr(node.func.value, "attr", getattr(node.func.value, "id", ""))
        if made not in _QUEUES:
            continue
        bounds = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "maxsize")]
        if made == "SimpleQueue" or not bounds or any(_is_no_bound(bound) for bound in bounds):
            found.append(f"{module}:{node.lineno} makes a {made} without a bound")
    return found


def _is_no_bound(node: ast.expr) -> bool:
    try:
        return int(ast.literal_eval(node)) <= 0
    except (ValueError, TypeError):
        return False


def test_imports_only_go_down() -> None:
    found = modules(*ROOMS, "web_client")
    assert len(found) > 500
    assert [wrong for module in found for wrong in arrows(module, (ROOT / module).read_text())] == []


@pytest.mark.parametrize("start", CLIENT_HALF)
def test_the_server_process_loads_no_engine(start: str) -> None:
    """Followed through all modules of ours that are imported at load."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imports(module, (ROOT / module).read_text(), at_load_only=True):
            assert name.split(".")[0] not in ENGINE_LIBRARIES, f"{start} loads {name} through {module}"
            path = name.replace(".", "/")
            todo += [found for found in (f"{path}.py", f"{path}/__init__.py") if (ROOT / found).is_file()]
    assert "asr/worker.py" not in seen
    assert "asr/loop.py" not in seen


def test_modules_are_short() -> None:
    found = modules(*ROOMS, "web_client", "tests")
    assert len(found) > 1000
    assert [each for each in found if len((ROOT / each).read_text().splitlines()) >= LINES_MAX] == []


def test_queues_are_bounded() -> None:
    found = modules(*ROOMS, "web_client")
    assert [wrong for module in found for wrong in unbounded_queues(module, (ROOT / module).read_text())] == []


def test_no_modules_import_each_other() -> None:
    """Also not by way of others, nor within functions or for types alone."""
    files = [module for module in modules(*ROOMS) if not module.endswith("__init__.py")]  # those hand names on
    names = {module.removesuffix(".py").replace("/", "."): module for module in files}
    imported = {name: names.keys() & set(imports(file, (ROOT / file).read_text())) for name, file in names.items()}
    TopologicalSorter(imported).prepare()  # raises CycleError, which names a circle


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("protocol/x.py", "import numpy", 1),
        ("protocol/x.py", "import json\nfrom pydantic import BaseModel\nfrom protocol import ids", 0),
        ("protocol/x.py", "from media.timeline import Timeline", 1),
        ("media/x.py", "def late():\n    import asr", 1),
        ("media/x.py", "import av\nimport numpy\nfrom protocol.blocks import Block", 0),
        ("media/x.py", "import aiortc", 1),
        ("media/webrtc/x.py", "from aiortc.rtp import RtpPacket", 0),
        ("media/x.py", "from onnxruntime import InferenceSession", 1),
        ("asr/x.py", "from starlette.websockets import WebSocket", 1),
        ("asr/x.py", "import faster_whisper", 1),
        ("asr/engines/x.py", "import faster_whisper", 0),
        ("asr/engines/x.py", "from ...server import settings", 1),
        ("asr/x.py", "from media.resample import resample", 1),
        ("server/x.py", "from asr.client import AsrClient\nimport starlette", 0),
        ("server/x.py", "import tests.fakes", 1),
        ("server/doors/x.py", "from asr.client import AsrClient", 1),
        ("asr/x.py", "from server.settings import Settings", 1),
        ("server/store/migrations/versions/r1.py", "from server.store.tables import segments", 1),
        ("server/store/migrations/versions/r1.py", "import sqlalchemy", 0),
        ("media/x.py", "if TYPE_CHECKING:\n    from server.live import Hub", 1),
    ],
)
def test_the_walk_sees_arrows(module: str, source: str, wrong: int) -> None:
    assert bool(arrows(module, source)) is bool(wrong)


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("asyncio.Queue()", 1),
        ("asyncio.Queue(0)", 1),
        ("queue.Queue(maxsize=-1)", 1),
        ("asyncio.Queue[int]()", 1),
        ("queue.SimpleQueue()", 1),
        ("Queue()", 1),
        ("asyncio.Queue(8)", 0),
        ("queue.Queue(maxsize=LIMIT)", 0),
    ],
)
def test_the_walk_sees_queues(source: str, wrong: int) -> None:
    assert len(unbounded_queues("x.py", source)) == wrong
