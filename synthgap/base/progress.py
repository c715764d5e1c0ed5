"""One account of a command's work: how much of it is done, and how long the rest takes, over all its parts.

A part is anything with a name and a time that it is expected to take: an artifact, a chapter, the book. What is
expected is corrected by what the parts before it took.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, RLock, Thread

from tqdm import tqdm

from .words import clock

PLAIN_LINE_EVERY = 15.0  # seconds, where there is no terminal
LOOK_EVERY = 1.0  # seconds between two looks at the parts that are going on
TRUSTED = 0.1  # of all seconds expected: so much work must be done for it to weigh as much as what was expected
LEAST_TRUSTED = 20.0  # seconds; the same for short work, which starts slowly
GUESSED = 0.95  # the most that is taken to be done of a part that doesn't tell


@dataclass
class _Part:
    seconds: float
    what: str = ""
    share: Callable[[], float] | None = None
    beside: int = 1
    begun: float | None = None  # of time.monotonic
    done: bool = False


class Progress:
    """Share of the work that is done and the time left: a bar on a terminal, plain lines elsewhere.

    Parts may be added at any time. `label` begins every line; `unit` is what parts are called.
    """

    def __init__(self, label: str = "synthgap", unit: str = "parts"):
        self.label, self.unit = label, unit
        self._parts: dict[str, _Part] = {}
        self._lock = RLock()
        self._bar: tqdm | None = None
        self.started = self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        self.started = self._last_line = time.monotonic()
        if sys.stderr.isatty():
            self._bar = tqdm(total=100, desc=self.label, bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}")
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, parts: Mapping[str, float]) -> None:
        """Add parts: name → seconds that it adds to the time by the clock. Those known stay as they are."""
        with self._lock:
            for name, seconds in parts.items():
                self._parts.setdefault(name, _Part(seconds))

    def begin(self, name: str, what: str, share: Callable[[], float] | None = None, beside: int = 1) -> None:
        """A part is going on from now.

        what : it is called. share : tells how much of it is done, in [0, 1]; without it that is guessed from the time
        it takes. beside : so many go on at once, itself included, so that it takes that much longer than it adds.
        """
        with self._lock:
            part = self._parts.setdefault(name, _Part(0.0))
            part.what, part.share, part.beside, part.begun = what, share, beside, time.monotonic()

    def finish(self, name: str) -> None:
        """A part is done."""
        with self._lock:
            self._parts[name].done = True
        self.show()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The block is a part."""
        self.begin(name, name)
        with self.watching():
            yield
        self.finish(name)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While the block works in this thread, another one shows what is done."""
        stop = Event()

        def look() -> None:
            while not stop.wait(LOOK_EVERY):
                self.show()

        thread = Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self.started

    @property
    def share(self) -> float:
        """Of all that is expected, what is done, in [0, 1]."""
        return self._sums()[0]

    @property
    def left(self) -> float:
        """Seconds until everything is done.

        What is expected of the rest, times how much longer than expected the work took that is done; while little is
        done, that ratio counts little.
        """
        return self._sums()[1]

    def _sums(self) -> tuple[float, float, list[str]]:
        """(share, seconds left, what is going on)."""
        with self._lock:
            parts = [(part, self._done(part)) for part in self._parts.values()]
        total, done = sum(part.seconds for part, _ in parts), sum(part.seconds * share for part, share in parts)
        trusted = max(LEAST_TRUSTED, TRUSTED * total)
        left = (total - done) * (trusted + self.elapsed) / (trusted + done)
        active = {part.what for part, share in parts if part.begun is not None and 0 < share < 1}
        return done / total if total > 0 else 1.0, left, sorted(active)

    def _done(self, part: _Part) -> float:
        if part.done or part.begun is None:
            return float(part.done)
        if part.share is not None:
            return min(max(part.share(), 0.0), 1.0)
        return min(GUESSED, (time.monotonic() - part.begun) / max(part.seconds * part.beside, 1e-9))

    def say(self, line: str) -> None:
        """Print a line, above the bar where there is one."""
        with self._lock:
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()

    def show(self) -> None:
        """Show where the work stands; without a terminal, no more often than every `PLAIN_LINE_EVERY` seconds."""
        with self._lock:
            if self._bar is None and time.monotonic() - self._last_line <= PLAIN_LINE_EVERY:
                return
            self._last_line = time.monotonic()
            share, left, active = self._sums()
            count = sum(part.done for part in self._parts.values())
            text = f"{count}/{len(self._parts)} {self.unit}, {clock(left)} left"
            text += f" ({', '.join(active)})" if active else ""
            if self._bar is None:
                print(f"{self.label}: {share:.0%}, {text}", flush=True)
            else:
                self._bar.n = round(100 * share, 1)
                self._bar.set_postfix_str(f" {text}", refresh=True)
