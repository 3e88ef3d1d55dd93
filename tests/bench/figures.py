"""What a bench found: flat names with units, as a table for people and as ``build/bench/NAME.json`` for documents."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path("build") / "bench"


@dataclass
class Figures:
    """Figures of one bench, in the order they were found. ``notes``: what a reader must know to judge them.

    ``tables``: rows of figures by the name of their table.
    """

    name: str
    title: str
    values: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tables: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        self.values.update(values)

    def write(self, folder: Path = FOLDER) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        document = {
            "commit": commit(),
            "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "machine": machine(),
            "title": self.title,
            "notes": self.notes,
            # JSON has no NaN; what could not be measured is left out.
            "figures": _measured(self.values),
        }
        if self.tables:
            document["tables"] = {name: [_measured(row) for row in rows] for name, rows in self.tables.items()}
        path.write_text(json.dumps(document, indent=2) + "\n")
        return path

    def show(self) -> None:
        """Print the table."""
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column("figure", no_wrap=True)
        table.add_column("value", justify="right", style="bold")
        for name, value in self.values.items():
            table.add_row(name, shown(value))
        console = Console(highlight=False)
        console.print(self.title, style="bold")
        console.print(table)
        for note in self.notes:
            console.print(f"  {note}", style="dim", markup=False)
        console.print()


def _measured(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not math.isnan(value)}


def shown(value: float) -> str:
    """Three digits that count: more would be noise."""
    if math.isnan(value):
        return "-"
    if value == int(value):
        return f"{int(value)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank. NaN for no values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def histogram_percentile(counts: Mapping[float, float], percent: float) -> float:
    """From cumulative counts by upper bound (as Prometheus has them), even within a bucket. NaN for none."""
    bounds = sorted(counts)
    total = counts[bounds[-1]] if bounds else 0.0
    if not total:
        return float("nan")
    wanted = total * percent / 100
    below_bound, below_count = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            if bound == float("inf"):
                return below_bound
            inside = counts[bound] - below_count
            return below_bound + (bound - below_bound) * ((wanted - below_count) / inside if inside else 1.0)
        below_bound, below_count = bound, counts[bound]
    return below_bound


def commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True)
    return (found.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def machine() -> str:
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = f", {names[0]}" if names else ""
    return f"{os.cpu_count()} cores{model}, {platform.system()}, Python {platform.python_version()}"
