"""An arm and a reverse step: the two values that name the cells of a study, read and written here alone."""

from __future__ import annotations

from enum import IntEnum

from ..base.errors import UserError
from ..classifier.policies import POLICIES, Policy
from ..diffusion.schedule import ReverseStep, check_t_re


class Instead(IntEnum):
    """What stands in the place of a reverse step, in tables by reverse step, without being one."""

    FLOOR = -1  # other real images
    GAN = -2  # samples of the GAN, which has no reverse steps


FLOOR, GAN = Instead.FLOOR, Instead.GAN
INSTEAD = {FLOOR: "other real images", GAN: "StyleGAN3"}  # how a reader sees them


class Arm(str):
    """What a classifier trains on, by the name that presets, tables and CSV files use.

    A reverse step ("50", or "50-100" for a range) stands for real images beside synthetic ones from there, "0" for a
    second batch of real images in their place. "… + TrivialAugment" stands for all images of that arm under the
    policy, the policy's name alone for the real images under it. Other names are those of the constants below.
    """

    __slots__ = ()

    @property
    def base(self) -> Arm:
        """The arm without its policy."""
        name = self.partition(" + ")[0]
        return REAL_ONLY if name in POLICIES else Arm(name)

    @property
    def policy(self) -> Policy:
        """The policy under which the classifier sees its images; "none" is none."""
        name, _, added = self.partition(" + ")
        return name if name in POLICIES else added or "none"

    def under(self, policy: Policy) -> Arm:
        """The same arm, its images under a policy. Real images alone under one are called by the policy's name."""
        return Arm(f"{self} + {policy}")

    @property
    def mixed(self) -> bool:
        """Are there other images beside the real ones, from a reverse step (0: real ones again)?"""
        return self[:1].isdigit()

    @property
    def t_re(self) -> ReverseStep:
        """The reverse step, or range of it, that a mixed arm's other images come from.

        Raises UserError where the name is none.
        """
        return parse_t_re(self.base)


REAL_ONLY, SYNTHETIC_ONLY = Arm("real only"), Arm("synthetic only")
EPOCH_MATCHED = Arm("synthetic only, epoch-matched")  # k times as many optimiser steps at ×k
BOOTSTRAP = Arm("real bootstrap")
GAN_ONLY = Arm("StyleGAN3 only")
GIVEN_ONLY, GIVEN = Arm("given only"), Arm("given")  # images of the user's own generator, alone and with the real ones
REDUCED = Arm("reduced")  # the real images at the size that the generator draws, enlarged again
SECOND_BATCH = Arm("0")
NAIVE, MIX = Arm("100"), Arm("50-100")  # the arms that Table 4 repeats

ArmCell = tuple[Arm, float]  # an arm and its multiple; 0: there are no other images
REAL: ArmCell = (REAL_ONLY, 0)


def cell_name(cell: ArmCell) -> str:
    """An arm and its multiple as one text: "50-100 ×5", "real only"."""
    arm, multiple = cell
    return f"{arm} ×{multiple:g}" if multiple else arm


def parse_cell(text: str) -> ArmCell:
    """The inverse of `cell_name`."""
    arm, _, multiple = text.partition(" ×")
    return Arm(arm), float(multiple or 0)


TITLES = {  # of rows of tables, of arms whose title is not made from their reverse step
    NAIVE: "real + naïve (t_re = 100)",
    SECOND_BATCH: "real + a second real batch",
    BOOTSTRAP: "real, drawn with replacement",
    GIVEN: "real + given",
}
WORDS = {  # inside sentences, of what stands beside the real images
    SECOND_BATCH: "a second real batch",
    NAIVE: "fully synthetic images (t_re = 100)",
    GIVEN: "your generator's images",
    GIVEN_ONLY: "your generator's images",
    REAL_ONLY: "real images",
    SYNTHETIC_ONLY: "synthetic images",
    REDUCED: "your images at the generator's size",
    "flip": "mirroring (flips)",
    "turns": "turning and mirroring",
}


def arm_title(arm: str) -> str:
    """A row's name in Table 3: "50-100" → "real + t_re = rand(50, 100)"."""
    arm = Arm(arm)
    if arm.base != arm and arm.base != REAL_ONLY:
        return f"{arm_title(arm.base)}, {arm.policy}"
    if arm in TITLES or not arm.mixed:
        return TITLES.get(arm, str(arm))
    return f"real + t_re = rand{arm.t_re}" if isinstance(arm.t_re, tuple) else f"real + t_re = {arm}"


def cell_title(cell: str) -> str:
    """A row's name in Table 4, of an arm with its multiple as `cell_name` writes it."""
    arm, times, multiple = cell.partition(" ×")
    return arm_title(arm) + times + multiple


def arm_words(arm: str) -> str:
    """An arm inside a sentence."""
    arm = Arm(arm)
    if arm in WORDS or not arm.mixed or arm.base != arm:
        return WORDS.get(arm, str(arm))
    if isinstance(arm.t_re, tuple):
        return "images from reverse steps {} to {}".format(*arm.t_re)
    return f"images from reverse step {arm}"


def mix_words(cell: ArmCell) -> str:
    """An arm with its multiple inside a sentence, as what stands beside the real images."""
    return f"{arm_words(cell[0])} ×{cell[1]:g}"


def cell_words(cell: ArmCell) -> str:
    """An arm with its multiple, as what a classifier was trained on."""
    arm, multiple = cell
    base = (
        arm_words(arm) if arm in (REAL_ONLY, SYNTHETIC_ONLY, GIVEN_ONLY, REDUCED) else f"real images + {arm_words(arm)}"
    )
    return base if not multiple or arm == SECOND_BATCH else f"{base} ×{multiple:g}"


def parse_t_re(text: str) -> ReverseStep:
    """ "50" → 50, "50-100" → (50, 100); UserError otherwise."""
    low, dash, high = str(text).partition("-")
    if not low.strip().isdigit() or (dash and not high.strip().isdigit()):
        raise UserError(f"reverse step {text!r} is not a number or a range; write 50 or 50-100")
    value = (int(low), int(high)) if dash else int(low)
    check_t_re(value)
    return value
