"""Arms and reverse steps: what a name says, and that it is read as it was written."""

import pytest

from synthgap.base.errors import UserError
from synthgap.classifier.policies import POLICIES
from synthgap.design.arms import Arms
from synthgap.design.preset import load_preset, preset_names
from synthgap.design.values import (
    BOOTSTRAP,
    EPOCH_MATCHED,
    FLOOR,
    GAN,
    GAN_ONLY,
    GIVEN,
    GIVEN_ONLY,
    INSTEAD,
    MIX,
    NAIVE,
    REAL_ONLY,
    SECOND_BATCH,
    SYNTHETIC_ONLY,
    Arm,
    arm_title,
    arm_words,
    cell_name,
    cell_title,
    cell_words,
    parse_cell,
    parse_t_re,
)
from synthgap.diffusion.schedule import check_t_re

ALONE = (REAL_ONLY, SYNTHETIC_ONLY, GAN_ONLY, EPOCH_MATCHED, BOOTSTRAP, GIVEN_ONLY)


@pytest.mark.parametrize("name", preset_names())
def test_every_arm_of_every_preset_is_read_as_it_was_written(name):
    preset = load_preset(name)
    listed = Arms("made", {}, preset, (0,)).listed()
    assert len(set(listed)) == len(listed) > 10
    for arm, multiple in listed:
        assert isinstance(arm, Arm)
        assert parse_cell(cell_name((arm, multiple))) == (arm, multiple)
        assert arm.policy in ("none", *preset.policies)
        again = arm.base.under(arm.policy) if arm.policy != "none" else arm.base
        assert arm == again or (arm.base == REAL_ONLY and arm == arm.policy)
        assert arm.mixed == (arm.base in preset.augmentation)
        if arm.mixed:
            check_t_re(arm.t_re)


@pytest.mark.parametrize(
    ("name", "base", "policy", "mixed"),
    [
        ("real only", "real only", "none", False),
        ("TrivialAugment", "real only", "TrivialAugment", False),
        ("0 + RandAugment", "0", "RandAugment", True),
        ("50-100", "50-100", "none", True),
        ("100 + TrivialAugment", "100", "TrivialAugment", True),
        ("synthetic only, epoch-matched", "synthetic only, epoch-matched", "none", False),
        ("given", "given", "none", False),
    ],
)
def test_an_arms_name_says_its_base_and_its_policy(name, base, policy, mixed):
    arm = Arm(name)
    assert (arm.base, arm.policy, arm.mixed) == (base, policy, mixed)
    assert isinstance(arm.base, Arm)
    assert arm == name  # so that tables and presets may say it as text
    assert hash(arm) == hash(name)


def test_every_policy_is_known_by_its_name():
    for policy in set(POLICIES) - {"none"}:
        assert Arm(policy).base == REAL_ONLY
        assert NAIVE.under(policy).policy == policy


@pytest.mark.parametrize(
    ("name", "t_re"), [("0", 0), ("25", 25), ("50-100", (50, 100)), ("0-50 + RandAugment", (0, 50))]
)
def test_a_mixed_arm_has_a_reverse_step_or_a_range(name, t_re):
    assert Arm(name).t_re == t_re


@pytest.mark.parametrize("text", ["", "real only", "fifty", "50-", "-50", "50-x", "101", "60-50", "1.5"])
def test_what_is_no_reverse_step_is_refused(text):
    with pytest.raises(UserError):
        parse_t_re(text)


@pytest.mark.parametrize("cell", [(REAL_ONLY, 0), (MIX, 5), (GIVEN, 0.75), (SYNTHETIC_ONLY, 1)])
def test_cells_have_a_name_that_is_read_back(cell):
    assert parse_cell(cell_name(cell)) == cell
    assert isinstance(parse_cell(cell_name(cell))[0], Arm)


def test_what_stands_in_the_place_of_a_reverse_step_is_none_of_them():
    assert set(INSTEAD) == {FLOOR, GAN}
    for stand_in in (FLOOR, GAN):
        assert stand_in < 0
        with pytest.raises(UserError):
            check_t_re(stand_in)


@pytest.mark.parametrize(
    ("arm", "title"),
    [
        ("real only", "real only"),
        ("synthetic only", "synthetic only"),
        ("synthetic only, epoch-matched", "synthetic only, epoch-matched"),
        ("100", "real + naïve (t_re = 100)"),
        ("25", "real + t_re = 25"),
        ("50-100", "real + t_re = rand(50, 100)"),
        ("0", "real + a second real batch"),
        ("0 + RandAugment", "real + a second real batch, RandAugment"),
        ("50-100 + TrivialAugment", "real + t_re = rand(50, 100), TrivialAugment"),
        ("real bootstrap", "real, drawn with replacement"),
        ("given", "real + given"),
        ("TrivialAugment", "TrivialAugment"),
    ],
)
def test_arms_have_titles_as_in_the_paper(arm, title):
    assert arm_title(arm) == title
    assert cell_title(f"{arm} ×5") == f"{title} ×5"
    assert cell_title(arm) == title


def test_no_two_arms_have_the_same_title_or_words():
    arms = [*ALONE[:-1], GIVEN, SECOND_BATCH, NAIVE, MIX, Arm("50"), Arm("TrivialAugment"), NAIVE.under("RandAugment")]
    assert len({arm_title(arm) for arm in arms}) == len(arms)
    assert len({arm_words(arm) for arm in arms}) == len(arms)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ((REAL_ONLY, 0), "real images"),
        ((SYNTHETIC_ONLY, 3), "synthetic images ×3"),
        ((SECOND_BATCH, 1), "real images + a second real batch"),
        ((NAIVE, 1), "real images + fully synthetic images (t_re = 100) ×1"),
        ((Arm("50"), 1), "real images + images from reverse step 50 ×1"),
        ((MIX, 2), "real images + images from reverse steps 50 to 100 ×2"),
        ((GIVEN_ONLY, 0.75), "your generator's images ×0.75"),
        ((GIVEN, 1), "real images + your generator's images ×1"),
    ],
)
def test_cells_are_said_as_what_a_classifier_was_trained_on(cell, words):
    assert cell_words(cell) == words
