"""Data sets by name: the packaged ones, digit pairs, the user's folder and npz; and what is changed on loading."""

import shutil

import numpy as np
import pytest
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data import load_dataset, load_splits
from synthgap.data.splits import Splits
from synthgap.data.transform import luminance, mirrored

SPLITS = ("train", "validation", "test")
rng = np.random.default_rng(0)


def png(path, height=8, width=8, channels=1):
    """Write one random image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return path


def make_folder(root, per_class=10, classes=("cat", "dog"), **size):
    for name in classes:
        for i in range(per_class):
            png(root / name / f"{i}.png", **size)
    return root


def make_npz(path, n=30, **arrays):
    images = rng.integers(0, 256, (n, 8, 8), dtype=np.uint8)
    np.savez(path, **({"images": images, "labels": np.arange(n) % 3} | arrays))
    return path


def members(splits):
    """All members of all splits, one hashable each."""
    return [tuple(m) if isinstance(m, list) else m for s in SPLITS for m in splits.record["members"][s]]


def identical(one, other):
    return one.record == other.record and all(one[s].fingerprint == other[s].fingerprint for s in SPLITS)


def complete(splits):
    """Every class is in every split."""
    return all(set(splits[s].labels) == set(range(len(splits.train.classes))) for s in SPLITS)


# The packaged sets


def test_digits_are_sklearns_digits_in_full_range():
    from sklearn.datasets import load_digits

    bunch, splits = load_digits(), load_splits("digits")
    for split in SPLITS:
        at = splits.record["members"][split]
        assert np.array_equal(splits[split].labels, bunch.target[at])
        assert np.abs(splits[split].images[:, 0] * (16 / 255) - bunch.images[at]).max() < 0.04
    assert splits.train.images.max() == 255
    assert splits.train.shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("source", "shape", "sizes"), [("digits", (1, 8, 8), (500, 200, 1097)), ("mnist5k", (1, 28, 28), (500, 500, 4000))]
)
def test_packaged_sets_are_split_completely_and_disjointly(source, shape, sizes):
    splits = load_splits(source)
    assert splits.train.shape == shape
    assert tuple(splits.record["sizes"].values()) == sizes
    assert sorted(members(splits)) == list(range(sum(sizes)))
    assert complete(splits)
    if source == "mnist5k":
        assert all(np.ptp(np.bincount(splits[s].labels)) == 0 for s in SPLITS)


def test_mnist5k_at_14_pixels_is_the_means_of_2x2_blocks():
    mnist, small = load_splits("mnist5k"), load_splits("mnist5k", image_size=14)
    assert small.record["members"] == mnist.record["members"]
    for split in SPLITS:
        means = mnist[split].images.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5))
        assert np.abs(small[split].images - means).max() <= 0.5
    assert "resized from 28×28 to 14×14" in small.record["notes"][0]


def test_divisor_pads_with_the_border_and_leaves_the_pixels_alone(tmp_path):
    plain, padded = load_splits("digits"), load_splits("digits", divisor=5)
    assert np.array_equal(padded.train.images, np.pad(plain.train.images, [(0, 0)] * 2 + [(1, 1)] * 2, mode="edge"))
    assert load_splits("digits", image_size=16).train.shape == (1, 16, 16)
    assert "padded from 8×8 to 10×10" in padded.record["notes"][0]
    source = f"folder:{make_folder(tmp_path, height=6, width=9)}"
    wanted = np.pad(load_splits(source).train.images, [(0, 0), (0, 0), (1, 1), (1, 2)], mode="edge")
    assert np.array_equal(load_splits(source, divisor=4).train.images, wanted)


@pytest.mark.parametrize("source", ["cifar", "folder", "folder:", "npz:", "digits:x", ""])
def test_unknown_source_is_a_user_error_that_lists_the_known(source):
    with pytest.raises(UserError, match=r"digits, mnist5k, digit-pairs, cifar10, .*, folder:PATH, npz:PATH"):
        load_splits(source)


@pytest.mark.parametrize("source", ["digits", "digit-pairs"])
def test_same_seed_gives_the_same_set_and_another_seed_or_train_size_another(source):
    assert identical(load_splits(source, seed=3), load_splits(source, seed=3))
    assert load_splits(source, seed=4).record["members_sha256"] != load_splits(source).record["members_sha256"]
    assert load_dataset(source, "validation", seed=3).fingerprint == load_splits(source, seed=3).validation.fingerprint
    assert len(load_splits(source, train_size=123).train) == 123


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        *((source, {"train_size": n}, f"{n}") for source, n in (("digits", 9), ("digits", 5000))),
        *((source, {"train_size": n}, f"{n}") for source, n in (("digit-pairs", 99), ("digit-pairs", 10**6))),
        ("digits", {"limits": {"val": 50}}, "'val'.*validation"),
    ],
)
def test_impossible_sizes_are_a_user_error(source, options, says):
    with pytest.raises(UserError, match=says):
        load_splits(source, **options)
    with pytest.raises(UserError, match=r"'dev'.*train, validation, test"):
        load_dataset("digits", split="dev")


# Digit pairs


@pytest.fixture(scope="module")
def pairs():
    return load_splits("digit-pairs")


def test_pairs_have_100_classes_evenly_in_every_split(pairs):
    assert pairs.train.classes == tuple(f"{i:02d}" for i in range(100))
    assert pairs.train.shape == (1, 8, 16)
    assert pairs.record["sizes"] == {"train": 2000, "validation": 1000, "test": 4000}
    assert all(np.ptp(np.bincount(pairs[s].labels, minlength=100)) == 0 for s in SPLITS)  # 33 as often as any
    assert len(set(members(pairs))) == 7000


def test_no_digit_image_is_in_pairs_of_two_splits(pairs):
    used = [set(np.ravel(pairs.record["members"][s])) for s in SPLITS]
    assert sum(map(len, used)) == len(set.union(*used))


def test_halves_of_a_pair_are_the_digit_images_it_names(pairs):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    for split in SPLITS:
        left, right = np.array(pairs.record["members"][split]).T
        assert np.array_equal(pairs[split].images[:, 0, :, :8], images[left])
        assert np.array_equal(pairs[split].images[:, 0, :, 8:], images[right])
        assert np.array_equal(pairs[split].labels, 10 * bunch.target[left] + bunch.target[right])


# Limits


def test_limits_keep_that_many_of_the_same_images_with_every_class():
    full = load_splits("digits")
    limited = load_splits("digits", limits={"test": 50, "train": None, "validation": 10**6})
    assert limited.record["sizes"] == {"train": 500, "validation": 200, "test": 50}
    assert set(limited.record["members"]["test"]) < set(full.record["members"]["test"])
    assert complete(limited)
    positions = {m: i for i, m in enumerate(full.record["members"]["test"])}
    kept = full.test.subset([positions[m] for m in limited.record["members"]["test"]])
    assert kept.fingerprint == limited.test.fingerprint
    assert limited.record["members_sha256"] != full.record["members_sha256"]
    assert limited.record["notes"] == ["50 of 1,097 test images used (the limits of the run)"]
    few = load_dataset("digits", "test", limits={"test": 9})
    assert sorted(few.labels) == list(range(10))  # one image of each class at least


# Colour and mirroring


def pillow_grey(images):
    """N × 3 × H × W → Pillow's N × H × W."""
    return np.stack([Image.fromarray(i.transpose(1, 2, 0)).convert("L") for i in images]).astype(int)


def colour_source(kind, folder):
    if kind == "folder":
        return f"folder:{make_folder(folder, channels=3)}"
    shape = (30, 3, 8, 8) if kind == "npz, channels first" else (30, 8, 8, 3)
    return f"npz:{make_npz(folder / 'x.npz', images=rng.integers(0, 256, shape, dtype=np.uint8))}"


@pytest.mark.parametrize("kind", ["folder", "npz", "npz, channels first"])
def test_grey_takes_colour_away_as_pillow_does(kind, tmp_path):
    source = colour_source(kind, tmp_path)
    colour, grey = load_splits(source), load_splits(source, grey=True)
    for split in SPLITS:
        assert colour[split].shape == (3, 8, 8)
        assert grey[split].shape == (1, 8, 8)
        assert np.abs(grey[split].images[:, 0] - pillow_grey(colour[split].images)).max() <= 1
        assert np.array_equal(grey[split].labels, colour[split].labels)
    assert grey.record == colour.record | {"notes": [*colour.record["notes"], "made grey"]}


def test_grey_leaves_grey_images_alone_and_comes_after_resizing_and_padding(tmp_path):
    folder, array = make_folder(tmp_path / "grey"), make_npz(tmp_path / "x.npz")
    for source in ("digits", f"folder:{folder}", f"npz:{array}"):
        assert identical(load_splits(source, grey=True), load_splits(source))
    make_folder(tmp_path / "colour", height=12, width=18, channels=3)
    splits = load_splits(f"folder:{tmp_path / 'colour'}", grey=True, longest_side=9, divisor=4, limits={"train": 6})
    assert {splits[s].shape for s in SPLITS} == {(1, 8, 12)}
    assert len(splits.train) == 6


def test_luminance_has_the_weights_of_itu_r_601_and_keeps_black_and_white():
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3, [10, 20, 30]], np.uint8)
    assert luminance(colours[:, :, None, None]).ravel().tolist() == [76, 150, 29, 255, 0, 18]
    every = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert np.array_equal(luminance(every[:, :, None, None]).ravel(), np.arange(256))


FLIP_NOTES = ("mirrored left to right at random in training", "not mirrored in training")


@pytest.mark.parametrize("kind", ["folder", "npz"])
@pytest.mark.parametrize("flip", [None, True, False])
def test_a_users_images_are_mirrored_only_if_it_is_said(kind, flip, tmp_path):
    source = colour_source(kind, tmp_path)
    plain, splits = load_splits(source), load_splits(source, flip=flip)
    notes = [FLIP_NOTES[0]] if flip else []
    assert [splits[s].augment for s in SPLITS] == [("flip",) if flip else ()] * 3
    assert splits.record == plain.record | {"notes": plain.record["notes"] + notes}
    assert all(np.array_equal(splits[s].images, plain[s].images) for s in SPLITS)


@pytest.mark.parametrize(
    ("allowed", "flip", "augment", "note"),
    [
        (("crop", "flip"), None, ("crop", "flip"), None),
        (("crop", "flip"), True, ("crop", "flip"), None),
        (("crop", "flip"), False, ("crop",), FLIP_NOTES[1]),
        (("flip",), False, (), FLIP_NOTES[1]),
        (("crop",), True, ("crop", "flip"), FLIP_NOTES[0]),
        (("crop",), False, ("crop",), None),
        (("crop",), None, ("crop",), None),
    ],
)
def test_mirroring_leaves_other_augmentations_and_notes_alone(allowed, flip, augment, note, make_images):
    splits = Splits(*(make_images(6, augment=allowed, seed=i) for i in range(3)), record={"notes": ["first"], "a": 1})
    changed = mirrored(splits, flip)
    assert [changed[s].augment for s in SPLITS] == [augment] * 3
    assert changed.record == {"notes": ["first", *([note] if note else [])], "a": 1}
    assert splits.record == {"notes": ["first"], "a": 1}


# Files that repeat one another


def copied(root, file, *others):
    for other in others:
        shutil.copyfile(root / file, root / other)


def contents(root, splits, split):
    return [(root / f).read_bytes() for f in splits.record["members"][split]]


@pytest.mark.parametrize("seed", range(3))
def test_files_of_a_class_with_the_same_bytes_are_used_once(seed, tmp_path):
    make_folder(tmp_path)
    copied(tmp_path, "cat/0.png", *(f"cat/copy {i}.png" for i in range(9)))
    (tmp_path / "dog" / "deep").mkdir()
    copied(tmp_path, "dog/3.png", "dog/deep/3.png")
    splits = load_splits(f"folder:{tmp_path}", seed=seed)
    assert splits.record["sizes"] == {"train": 12, "validation": 4, "test": 4}
    assert "10 files that repeat another one of their class and split byte for byte left out" in splits.record["notes"]
    used = [c for s in SPLITS for c in contents(tmp_path, splits, s)]
    assert len(used) == len(set(used)) == 20
    assert {m for m in members(splits) if m.startswith("cat")} == {f"cat/{i}.png" for i in range(10)}  # the first ones
    assert np.bincount(splits.train.labels).tolist() == [6, 6]
    for split in SPLITS:  # images keep their labels
        rows = zip(splits[split].images, splits[split].labels, splits.record["members"][split], strict=True)
        for image, label, file in rows:
            assert np.array_equal(image[0], np.asarray(Image.open(tmp_path / file)))
            assert file.startswith(splits.train.classes[label])


def test_what_was_assumed_survives_limits_and_padding(tmp_path):
    make_npz(tmp_path / "x.npz", labels=np.arange(30) % 3 + 1)
    splits = load_splits(
        f"npz:{tmp_path / 'x.npz'}", limits={"train": 6}, divisor=16, image_size=20, grey=True, flip=True
    )
    assert splits.record["found"] == ["labels 1, 2, 3: 3 classes, called by their numbers, and no others"]


def test_repeats_of_a_given_train_folder_never_come_to_lie_in_the_validation_cut_from_it(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", 3)
    copied(tmp_path / "train", "cat/0.png", *(f"cat/x{i}.png" for i in range(15)))
    copied(tmp_path / "test", "dog/1.png", "dog/1 again.png")
    splits = load_splits(f"folder:{tmp_path}")
    assert splits.record["sizes"] == {"train": 16, "validation": 4, "test": 6}
    assert "16 files that repeat another one" in " ".join(splits.record["notes"])
    assert not set(contents(tmp_path, splits, "train")) & set(contents(tmp_path, splits, "validation"))


def test_the_same_bytes_in_two_classes_are_kept_once_in_each(tmp_path):
    make_folder(tmp_path)
    same = (tmp_path / "cat" / "0.png").read_bytes()
    copied(tmp_path, "cat/0.png", "cat/again.png", "dog/also.png", "dog/also again.png")
    splits = load_splits(f"folder:{tmp_path}")
    holders = [m for s in SPLITS for m in splits.record["members"][s] if (tmp_path / m).read_bytes() == same]
    assert sorted(holders) == ["cat/0.png", "dog/also again.png"]
    assert len(members(splits)) == 21
    assert "2 files that repeat another one" in " ".join(splits.record["notes"])


# What train can't use


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_images_beyond_the_limit_of_train_go_to_test(kind, tmp_path):
    if kind == "folder":
        source = f"folder:{make_folder(tmp_path, 50)}"
    else:
        source = f"npz:{make_npz(tmp_path / 'x.npz', 100, labels=np.arange(100) % 2)}"
    splits = load_splits(source, limits={"train": 20})
    assert splits.record["sizes"] == {"train": 20, "validation": 20, "test": 60}
    assert len(set(members(splits))) == 100
    assert all(np.ptp(np.bincount(splits[s].labels)) == 0 for s in SPLITS)
    assert not any("limits" in note for note in splits.record["notes"])  # nothing was left out


@pytest.mark.parametrize(
    ("options", "sizes", "notes"),
    [
        ({"limits": {"train": 20, "validation": 10, "test": 30}}, (20, 10, 30), "10 of 20 validation, 30 of 60 test"),
        ({"train_size": 30, "limits": {"train": 20}}, (20, 20, 50), "20 of 30 train"),  # its rest is not given away
    ],
)
def test_what_train_can_not_use_is_limited_too(options, sizes, notes, tmp_path):
    path = make_npz(tmp_path / "x.npz", 100, labels=np.arange(100) % 2)
    record = load_splits(f"npz:{path}", **options).record
    assert tuple(record["sizes"].values()) == sizes
    assert record["notes"] == [f"{notes} images used (the limits of the run)"]


def test_uneven_classes_stay_uneven_where_train_is_limited(tmp_path):
    path = make_npz(tmp_path / "x.npz", 200, labels=np.arange(200) // 160)
    splits = load_splits(f"npz:{path}", limits={"train": 50, "validation": 20, "test": 200})
    assert splits.record["sizes"] == {"train": 50, "validation": 20, "test": 110}
    assert np.bincount(splits.train.labels).tolist() == [40, 10]


@pytest.mark.parametrize("most", [60, 61, 1000, None])
def test_a_limit_that_train_does_not_reach_changes_nothing(most, tmp_path):
    path = make_npz(tmp_path / "x.npz", 100)
    assert identical(load_splits(f"npz:{path}", limits={"train": most}), load_splits(f"npz:{path}"))


def test_a_given_test_set_is_kept_as_it_is_and_train_is_limited(tmp_path):
    make_folder(tmp_path / "train", 40)
    make_folder(tmp_path / "test", 5)
    splits = load_splits(f"folder:{tmp_path}", limits={"train": 20})
    assert splits.record["sizes"] == {"train": 20, "validation": 16, "test": 10}
    assert all(m.startswith("test/") for m in splits.record["members"]["test"])
    assert "20 of 64 train images used (the limits of the run)" in splits.record["notes"]
    images, labels = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8), np.arange(60) % 2
    arrays = {"train_images": images, "train_labels": labels, "test_images": images[:6], "test_labels": labels[:6]}
    np.savez(tmp_path / "x.npz", **arrays)
    splits = load_splits(f"npz:{tmp_path / 'x.npz'}", limits={"train": 20})
    assert splits.record["sizes"] == {"train": 20, "validation": 12, "test": 6}
    assert np.array_equal(splits.test.images[:, 0], images[:6])


@pytest.mark.parametrize("most", [5, 9, 10, 12, 15, 17, 18, 100])
def test_a_limit_of_train_never_makes_a_set_of_small_classes_unusable(most, tmp_path):
    path = make_npz(tmp_path / "x.npz", 30, labels=np.arange(30) % 10)  # 3 images a class, one for each split
    splits = load_splits(f"npz:{path}", limits={"train": most})
    assert splits.record["sizes"] == {"train": 10, "validation": 10, "test": 10}
    assert complete(splits)


# The user's folder


GIVEN = {  # images a class in each folder of a split → images in each split, and the policy
    "none": ({"": 10}, (12, 4, 4), "stratified, seed 0"),
    "all": ({"train": 5, "val": 2, "test": 3}, (10, 4, 6), "as given"),
    "train and test": ({"train": 10, "test": 3}, (16, 4, 6), "validation cut from train, stratified, seed 0"),
    "train and val": ({"train": 10, "val": 3}, (16, 6, 4), "test cut from train, stratified, seed 0"),
    "three images a class": ({"": 3}, (2, 2, 2), ""),
    "four images a class": ({"": 4}, (4, 2, 2), ""),
}


@pytest.mark.parametrize("case", GIVEN)
def test_given_splits_are_kept_and_missing_ones_are_cut_from_train(case, tmp_path):
    given, sizes, policy = GIVEN[case]
    for split, each in given.items():
        make_folder(tmp_path / "pets" / split, each)
    splits = load_splits(f"folder:{tmp_path / 'pets'}")
    assert tuple(splits.record["sizes"].values()) == sizes
    assert policy in splits.record["policy"]
    assert len(set(members(splits))) == sum(sizes)
    for split, folder in (("train", "train"), ("validation", "val"), ("test", "test")):
        place = folder if folder in given else next(iter(given))
        assert all(m.startswith(place) for m in splits.record["members"][split])
    assert (splits.train.classes, splits.train.name) == (("cat", "dog"), "pets/train")
    assert complete(splits)


def test_train_size_leaves_the_rest_for_test_and_absent_classes_of_a_given_test_set_are_noted(tmp_path):
    splits = load_splits(f"folder:{make_folder(tmp_path / 'train')}", train_size=6)
    assert splits.record["sizes"] == {"train": 6, "validation": 4, "test": 10}
    make_folder(tmp_path / "test", 3, classes=("dog",))
    splits = load_splits(f"folder:{tmp_path}")
    assert set(splits.test.labels) == {1}
    assert "1 of 2 classes have no test image" in splits.record["notes"]


@pytest.mark.parametrize(
    ("size", "options", "shape"),
    [
        ((8, 8), {"longest_side": 8}, (8, 8)),
        ((8, 8), {"longest_side": 32}, (8, 8)),  # nothing is enlarged
        ((30, 60), {"longest_side": 16}, (8, 16)),
        *(((8, 16), {"image_size": n, "longest_side": 32}, (n // 2, n)) for n in (6, 16, 48)),
    ],
)
def test_folders_are_shrunk_to_the_longest_side_or_brought_to_the_size_asked_for(size, options, shape, tmp_path):
    source = f"folder:{make_folder(tmp_path, height=size[0], width=size[1])}"
    assert load_splits(source, **options).train.shape == (1, *shape)


def test_record_hash_does_not_depend_on_where_the_folder_lies(tmp_path):
    make_folder(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "moved" / "two")
    one, two = load_splits(f"folder:{tmp_path / 'one'}"), load_splits(f"folder:{tmp_path / 'moved' / 'two'}")
    assert one.record["members_sha256"] == two.record["members_sha256"]
    assert one.train.fingerprint == two.train.fingerprint


def test_mixed_sizes_and_colours_come_to_one_shape(tmp_path):
    make_folder(tmp_path, classes=("a",), height=8, width=8)
    make_folder(tmp_path, classes=("b",), height=40, width=10, channels=3)
    make_folder(tmp_path, classes=("c",), height=9, width=12)
    splits = load_splits(f"folder:{tmp_path}", divisor=4)
    assert {splits[s].shape for s in SPLITS} == {(3, 32, 32)}
    assert "20 grey" in splits.record["notes"][0]


# The user's npz


def test_npz_of_images_and_labels_is_cut_60_20_20(tmp_path):
    path = make_npz(tmp_path / "own.npz")
    splits = load_splits(f"npz:{path}")
    assert splits.record["sizes"] == {"train": 18, "validation": 6, "test": 6}
    assert sorted(members(splits)) == list(range(30))
    assert splits.train.classes == ("0", "1", "2")
    assert np.array_equal(splits.test.images[:, 0], np.load(path)["images"][splits.record["members"]["test"]])
    assert identical(splits, load_splits(f"npz:{path}"))


def test_medmnist_layout_is_taken_as_given(tmp_path):
    arrays = {}
    for prefix, n in (("train", 12), ("val", 4), ("test", 6)):
        arrays[f"{prefix}_images"] = rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)
        arrays[f"{prefix}_labels"] = (np.arange(n) % 2)[:, None].astype(np.uint8)  # N × 1
    np.savez(tmp_path / "med.npz", **arrays)
    splits = load_splits(f"npz:{tmp_path / 'med.npz'}")
    assert splits.record["policy"] == "as given"
    for split, prefix in (("train", "train"), ("validation", "val"), ("test", "test")):
        assert np.array_equal(splits[split].images.transpose(0, 2, 3, 1), arrays[f"{prefix}_images"])
        assert np.array_equal(splits[split].labels, arrays[f"{prefix}_labels"][:, 0])


@pytest.mark.parametrize("stored", [(6, 8), (6, 8, 1), (6, 8, 3), (1, 6, 8), (3, 6, 8)])
def test_npz_channels_may_be_absent_first_or_last(stored, tmp_path):
    source = f"npz:{make_npz(tmp_path / 'x.npz', images=np.zeros((30, *stored), np.uint8))}"
    channels = 3 if 3 in stored else 1
    assert load_splits(source).train.shape == (channels, 6, 8)
    assert load_splits(source, image_size=4).train.shape == (channels, 3, 4)
    assert load_splits(source, divisor=4).train.shape == (channels, 8, 8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((30, 8, 8))}, "the largest value of 30 float images is 0"),
        ({"images": np.zeros((30, 8), np.uint8)}, "images have shape"),
        ({"images": np.zeros((0, 8, 8), np.uint8), "labels": np.zeros(0, int)}, "two or more classes"),
        ({"labels": np.zeros((30, 2), int)}, "one integer per image"),
        ({"labels": np.full(30, 10**12)}, "two or more classes"),
        ({f"{s}_images": np.zeros((30, n, 8), np.uint8) for s, n in (("train", 8), ("test", 6))}, "differ in shape"),
    ],
)
def test_unusable_arrays_are_a_user_error(arrays, message, tmp_path):
    labels = {name.replace("images", "labels"): np.arange(30) % 3 for name in arrays if "_" in name}
    base = {"images": np.zeros((30, 8, 8), np.uint8), "labels": np.arange(30) % 3}
    np.savez(tmp_path / "x.npz", **(base | labels | arrays))
    with pytest.raises(UserError, match=message):
        load_splits(f"npz:{tmp_path / 'x.npz'}")


@pytest.mark.parametrize(("name", "kind"), [("photos", "folder"), ("set.npz", "npz"), ("set.zip", "edm-zip")])
def test_a_path_without_its_kind_is_told_which(name, kind, tmp_path):
    place = tmp_path / name
    place.touch() if "." in name else place.mkdir()
    with pytest.raises(UserError, match=f"say what it is, {kind}:"):
        load_splits(str(place))
