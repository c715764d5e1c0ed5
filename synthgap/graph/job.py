"""What a computation gets from whoever runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .specification import Spec


@dataclass(frozen=True)
class Job:
    """What a computation gets: values of its inputs, a folder that survives a kill, a progress report in [0, 1]."""

    get: Callable[[Spec], Any]
    work: Path
    report: Callable[[float], None]


def judge_of(get: Callable[[Spec], Any], spec: Spec) -> Any:
    """The classifier that `spec` describes, on the device that it was trained on; `get` gives it from the store."""
    classifier = get(spec)
    classifier.network.to(spec.device)
    return classifier


def counter(job: Job, total: int) -> Callable[[int], None]:
    """For a function that calls it with the numbers of images done since: the job's report, `total` in all."""
    done = 0

    def add(images: int) -> None:
        nonlocal done
        done += images
        job.report(min(done / max(total, 1), 1.0))

    return add
