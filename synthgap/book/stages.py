"""How long the parts of a run take by the clock, kept beside what it made."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..base.disk import write_text

TIMES = "times.json"


class Stages:
    """`with stages("chapters"): …` adds to the seconds of that name."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun

    def save(self, folder: Path) -> None:
        """Write `folder`/times.json: when the run started (UTC), and its seconds."""
        rounded = {name: round(seconds, 1) for name, seconds in self.seconds.items()}
        write_text(folder / TIMES, json.dumps({"started": self.started, "seconds": rounded}, indent=1))
