"""What commands say of a study before it runs: what was found, and what will be done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..design.heads import Heads
    from ..exhibits.study import Study


def found(study: Study) -> list[str]:
    """What the data sets hold, in plain text, warnings included."""
    import numpy as np  # slow to import, for --help

    from ..data.duplicates import duplicate_lines
    from ..data.inspect import inspect_folder, report_lines
    from ..data.splits import SPLITS, Splits

    d, lines = study.design, []
    for arms, record in zip(d.columns, d.records, strict=True):
        kind, _, path = record["source"].partition(":")
        lines.append(f"found in {record['source']}:")
        channels, height, width = arms.data["train"].shape
        classes = arms.data["train"].classes
        kinds = f"{classes} classes, {width}×{height} pixels, {'grey' if channels == 1 else 'colour'}"
        told = report_lines(inspect_folder(Path(path))) if kind == "folder" else [kinds]
        told += record.get("found", [])
        test = study.store.get(arms.data["test"]).labels
        largest = np.bincount(test).max() / len(test)
        told.append(f"always guessing the largest class is right on {largest:.0%} of the test images")
        told += duplicate_lines(Splits(**{s: study.store.get(arms.data[s]) for s in SPLITS}, record=record))
        lines += [f"  {line}" for line in told]
    if d.found_in_given:
        lines.append(f"found in {d.arms.data['given'].loading.synthetic}:")
        lines += [f"  {line}" for line in d.found_in_given]
    return lines


def intended(study: Study) -> list[str]:
    """What will be done with the data: sizes, splits, options, preset."""
    d, lines = study.design, ["what will be done:"]
    if d.heads:
        lines += judged_by_heads(d.heads, d.options.measure)
        lines.append("  the other chapters (--answer-only leaves them out) train networks from scratch:")
    for arms, record in zip(d.columns, d.records, strict=True):
        sizes = ", ".join(f"{n:,} {split}" for split, n in record["sizes"].items())
        lines.append(f"  {arms.name}: {sizes} ({'; '.join([record['policy'], *record['notes']])})")
        lines += [f"  its generator: {line}" for line in record.get("generator", ())]
    seeds = len(d.seeds)
    weights = "" if d.options.class_weights == "none" else "; classes weighted alike in training"
    mirrored = "mirrored at random" if d.arms.mirrored else "not mirrored (--flip mirrors them)"
    lines.append(f"  images {mirrored} in training{weights}")
    lines.append(f"  preset {d.preset.name}, {seeds} seed{'s' * (seeds > 1)}: {d.preset.summary}")
    for block in study.lab.blocks:
        lines.append(f"  seeds {', '.join(map(str, block.made.seeds))} as {block.folder} has them: not computed again")
    lines += [f"  {line}" for line in study.blocks_left_out]
    if study.growth:
        _, *later = study.growth.counts
        then = f", then {', '.join(map(str, later))}" if later else ""
        lines.append(
            f"  {seeds} seeds first{then}: until the answer is decided, or {study.growth.minutes:g} minutes are over"
        )
    if d.given:
        given = d.arms.data["given"]
        lines.append(f"  {given.count:,} synthetic images of {given.loading.synthetic} are judged")
    return lines


def judged_by_heads(heads: Heads, measure: str) -> list[str]:
    """Who gives the answer, on which images."""
    data = heads.data
    _, height, width = data["train"].shape
    if heads.crossed:
        images = f"{data['train'].count:,} of these images to train and to test, in {heads.parts} parts"
        images += " that keep groups whole" if heads.groups else ""
    else:
        images = f"{data['train'].count:,} of these images to train, {data['test'].count:,} to test"
    network = heads.network.extractor
    return [
        f"  the answer: a linear classifier on features of {network}, images at {width}×{height} pixels; {images}, and "
        f"{data['validation'].count:,} to choose by (--judge resnet18 trains a network from scratch instead)",
        f"  it goes by {'accuracy, balanced where classes are uneven' if measure == 'auto' else measure} (--measure)",
    ]


def parted(study: Study, folder: Path) -> list[str]:
    """Where it now stands which file of the user's own is in which split: `folder`/split.csv, which this writes."""
    from ..design.split_file import write_split

    if not study.files:
        return []
    if study.design.heads and study.design.heads.crossed:
        use = "trained on and tested in turn; give train/, val/ and test/ for test images that no generator has seen"
    else:
        use = "a generator that is trained elsewhere may see those of train alone"
    return [f"  which file is in which split: {write_split(study.files, folder)} ({use})"]


def progress_bar(what: str, total: int | None = None):
    """A bar that counts images, on a terminal alone."""
    from tqdm import tqdm

    return tqdm(desc=what, total=total, unit="image", disable=not sys.stderr.isatty(), leave=False)
