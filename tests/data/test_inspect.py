"""What is found in a user's folder before a study runs: counts, formats, sizes, repeats, and the words for them."""

import numpy as np
import pytest
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data.duplicates import repeated_files, shared_images
from synthgap.data.imageset import ImageSet
from synthgap.data.inspect import inspect_folder, report_lines
from synthgap.data.splits import Splits

rng = np.random.default_rng(0)


def grey(width=9, height=6):
    """A grey picture like no other."""
    return Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8))


def colour(width=9, height=6):
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def save(root, file, image=None, **options):
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or grey()).save(path, **options)
    return path


def pictures(root, **counts):
    """`counts` different pictures in each class folder; "train/a" is written train__a."""
    for name, count in counts.items():
        for i in range(count):
            save(root, f"{name.replace('__', '/')}/{i}.png")
    return root


def copy(root, file, *others):
    for other in others:
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        (root / other).write_bytes((root / file).read_bytes())


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def lines(root):
    return report_lines(inspect_folder(root))


# Which images there are


def test_images_are_counted_by_class_and_split_and_a_missing_class_is_zero(tmp_path):
    report = inspect_folder(pictures(tmp_path / "x", rough=2, smooth=5))
    assert report.layout.root == (tmp_path / "x").resolve()
    assert report.counts == {"all": {"rough": 2, "smooth": 5}}
    assert (report.total, report.classes, report.imbalance) == (7, ("rough", "smooth"), 2.5)
    assert (report.unreadable, report.layout.passed, report.layout.loose, report.repeats) == ((), {}, (), ())
    report = inspect_folder(pictures(tmp_path / "y", test__b=2, train__a=3, train__b=1, valid__a=1, valid__b=2))
    assert list(report.counts) == ["train", "validation", "test"]
    assert report.counts == {"train": {"a": 3, "b": 1}, "validation": {"a": 1, "b": 2}, "test": {"a": 0, "b": 2}}
    assert (report.total, report.classes, report.imbalance) == (9, ("a", "b"), 1.25)


def test_images_beside_the_classes_of_a_split_and_beside_the_splits_are_loose(tmp_path):
    pictures(tmp_path, train__a=1, train__b=1, test__a=1)
    for file in ("train/1.png", "test/2.png", "0.png", "more/a/3.png"):
        save(tmp_path, file)
    report = inspect_folder(tmp_path)
    assert (report.layout.loose, report.total) == (("0.png", "more/a/3.png", "test/2.png", "train/1.png"), 3)


def test_progress_goes_over_all_images(tmp_path):
    seen = []
    inspect_folder(pictures(tmp_path, a=1, b=2), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# How they are stored


def test_formats_are_counted_by_contents(tmp_path):
    for file in ("a/1.png", "a/2.PNG", "a/1.jpg", "a/1.webp", "a/1.tif", "b/1.bmp", "b/1.gif", "b/1.pgm"):
        save(tmp_path, file)
    save(tmp_path, "b/2.png").rename(tmp_path / "b/2.jpg")
    formats = {"PNG": 3, "JPEG": 1, "WEBP": 1, "TIFF": 1, "BMP": 1, "GIF": 1, "PPM": 1}
    assert inspect_folder(tmp_path).formats == formats


RGBA = Image.fromarray(rng.integers(0, 256, (6, 9, 4), dtype=np.uint8))
DEEP = Image.fromarray(rng.integers(0, 65536, (6, 9), dtype=np.uint16))
CASES = [
    ("1.png", grey(), {}, "grey"),
    ("1.jpg", grey(), {}, "grey"),
    ("2.jpg", colour(), {}, "colour"),
    ("1.webp", colour(), {}, "colour"),
    ("2.webp", RGBA, {}, "with transparency"),
    ("2.png", RGBA, {}, "with transparency"),
    ("3.png", RGBA.convert("LA"), {}, "with transparency"),
    ("4.png", colour().convert("P"), {}, "palette"),
    ("5.png", colour().convert("P"), {"transparency": 1}, "with transparency"),
    ("6.png", grey(), {"transparency": 7}, "with transparency"),
    ("1.gif", colour().convert("P"), {}, "palette"),
    ("2.gif", Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P"), {"transparency": 1}, "with transparency"),
    ("7.png", DEEP, {}, "16-bit grey"),
    ("1.tif", DEEP, {}, "16-bit grey"),
    ("8.png", grey().convert("1"), {}, "black and white"),
    ("3.jpg", colour().convert("CMYK"), {}, "CMYK"),
    ("1.pgm", DEEP, {}, "16-bit grey"),
    ("2.tif", Image.fromarray(np.full((6, 9), 0.5, np.float32)), {}, "F"),
]


@pytest.mark.parametrize(("file", "image", "options", "words"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES])
def test_modes_are_told_in_words(file, image, options, words, tmp_path):
    save(tmp_path, f"a/{file}", image, **options)
    save(tmp_path, "b/1.bmp", colour())
    expected = {"colour": 2} if words == "colour" else {words: 1, "colour": 1}
    assert inspect_folder(tmp_path).modes == expected


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, 255])  # the last three mean nothing
def test_sizes_are_those_of_the_upright_image(orientation, suffix, tmp_path):
    save(tmp_path, "a/1.png", grey(8, 8))
    save(tmp_path, f"b/1.{suffix}", colour(9, 6), exif=turned(orientation))
    report = inspect_folder(tmp_path)
    assert report.sizes == {(8, 8): 1, ((6, 9) if 5 <= orientation <= 8 else (9, 6)): 1}
    assert report.rotated == (2 <= orientation <= 8)


def test_pixels_are_not_decoded(tmp_path):
    pictures(tmp_path, a=1, b=1)
    whole = (tmp_path / "a/0.png").read_bytes()
    (tmp_path / "a/0.png").write_bytes(whole[: whole.index(b"IDAT") + 8])
    assert inspect_folder(tmp_path).unreadable == ()


def test_broken_files_are_named_counted_and_no_repeats(tmp_path):
    pictures(tmp_path, a=1, b=1)
    (tmp_path / "a/text.png").write_text("not an image")
    (tmp_path / "a/zero.png").write_bytes(b"")
    (tmp_path / "b/zero.jpg").write_bytes(b"")
    report = inspect_folder(tmp_path)
    assert report.unreadable == ("a/text.png", "a/zero.png", "b/zero.jpg")
    assert report.counts == {"all": {"a": 3, "b": 2}}
    assert (report.formats, report.sizes, report.repeats) == ({"PNG": 2}, {(9, 6): 2}, ())
    for path in (tmp_path / "a/0.png", tmp_path / "b/0.png"):  # none can be read: there is a report all the same
        path.write_bytes(b"")
    report = inspect_folder(tmp_path)
    assert (report.total, report.formats, report.modes, report.sizes, report.rotated) == (5, {}, {}, {}, 0)
    assert not any("pixels" in line for line in report_lines(report))


# Repeats


def test_files_with_identical_bytes_are_grouped(tmp_path):
    paths = [tmp_path / str(i) for i in range(6)]
    for path, data in zip(paths, [b"same", b"else", b"long one", b"same", b"long one", b"same"], strict=True):
        path.write_bytes(data)
    assert repeated_files(paths) == [[0, 3, 5], [2, 4]]
    assert repeated_files(paths[:3]) == repeated_files([]) == []


def test_only_files_that_share_their_size_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").mkdir()  # can't be read
    assert repeated_files([tmp_path / "a", tmp_path / "b"]) == []
    with pytest.raises(UserError, match="b can't be read"):
        repeated_files([tmp_path / "b", tmp_path / "b"])
    with pytest.raises(UserError, match=r"absent\.png can't be read"):
        repeated_files([tmp_path / "absent.png"])


def test_repeats_may_span_splits_classes_or_both(tmp_path):
    pictures(tmp_path, train__a=4, train__b=1, test__a=1, test__b=1)
    copy(tmp_path, "train/a/0.png", "test/a/x.png")
    copy(tmp_path, "train/a/1.png", "test/b/y.png")
    copy(tmp_path, "train/a/2.png", "train/b/z.png")
    copy(tmp_path, "train/a/3.png", "train/a/w.png")
    splits, both = ("test/a/x.png", "train/a/0.png"), ("test/b/y.png", "train/a/1.png")
    classes, within = ("train/a/2.png", "train/b/z.png"), ("train/a/3.png", "train/a/w.png")
    report = inspect_folder(tmp_path)
    assert report.repeats == (splits, both, classes, within)
    assert report.repeats_across("splits") == (splits, both)
    assert report.repeats_across("classes") == (both, classes)
    assert report.repeats_within == (within,)


def test_loose_images_and_other_encodings_are_no_repeats(tmp_path):
    pictures(tmp_path, a=1, b=1)
    copy(tmp_path, "a/0.png", "0.png")
    with Image.open(tmp_path / "a/0.png") as image:
        image.save(tmp_path / "a/0.bmp")
    assert inspect_folder(tmp_path).repeats == ()


# Shared images


def splits_of(train, validation, test):
    """Splits of one-channel 2 × 2 images, each of one value; labels alternate."""

    def images(values):
        pixels = np.repeat(np.array(values, np.uint8), 4).reshape(-1, 1, 2, 2)
        return ImageSet(pixels, np.arange(len(values)) % 2, ("a", "b"))

    return Splits(images(train), images(validation), images(test))


@pytest.mark.parametrize(
    ("train", "validation", "test", "shared"),
    [
        ([1, 1, 2], [3], [4, 5], {}),
        ([1, 2], [3], [2, 5], {("train", "test"): 1}),
        (  # those of the later split, whatever their class
            [1, 2, 3, 3],
            [3, 4],
            [3, 9, 1, 1, 4],
            {("train", "validation"): 1, ("train", "test"): 3, ("validation", "test"): 2},
        ),
    ],
)
def test_images_that_splits_share_are_counted(train, validation, test, shared):
    assert shared_images(splits_of(train, validation, test)) == shared


def test_another_pixel_or_another_shape_makes_another_image():
    splits = splits_of([1], [2], [1])
    splits.test.images[0, 0, 1, 1] = 2
    assert shared_images(splits) == {}
    wide = ImageSet(np.full((1, 1, 1, 4), 1, np.uint8), np.array([0]), ("a", "b"))
    splits = splits_of([1], [1], [1])
    assert shared_images(Splits(splits.train, splits.validation, wide)) == {("train", "validation"): 1}


# In words


NINE = {f"c{i}": 10 for i in range(9)}
TOLD = [  # images a class → the first lines of what is said
    (
        {"a": 10, "b": 10},
        ["20 images in 2 classes: a 10, b 10", "9×6 pixels", "format: PNG", "pixels: grey"],
    ),
    (
        {"rough": 10, "smooth": 40},
        [
            "50 images in 2 classes: rough 10, smooth 40 (the largest class has 4.0 times as many as the smallest)",
            "the classes are uneven: balanced accuracy is given beside accuracy",
        ],
    ),
    (
        NINE | {"c3": 11, "c5": 12},
        [
            "93 images in 9 classes, from 10 (c0) to 12 (c5) (the largest class has 1.2 times as many as the smallest)",
        ],
    ),
    (NINE, ["90 images in 9 classes, 10 each"]),
    (
        {"train__a": 10, "train__b": 10, "test__a": 1},
        [
            "21 images in 2 classes: a 11, b 10 (the largest class has 1.1 times as many as the smallest)",
            "train: 20 images: a 10, b 10",
            "test: 1 image: a 1, b 0",
        ],
    ),
    (
        {f"train__{c}": 10 for c in NINE} | {f"test__c{i}": 10 for i in range(5)},
        [
            "140 images in 9 classes, from 10 (c5) to 20 (c0) "
            "(the largest class has 2.0 times as many as the smallest)",
            "train: 90 images",
            "test: 50 images, none of 4 classes (c5, c6, c7, …)",
        ],
    ),
]


@pytest.mark.parametrize(("counts", "told"), TOLD)
def test_classes_and_splits_are_told_with_their_numbers(counts, told, tmp_path):
    assert lines(pictures(tmp_path, **counts))[: len(told)] == told


@pytest.mark.parametrize(("largest", "said"), [(14, False), (15, True)])
def test_balanced_accuracy_is_pointed_to_from_one_and_a_half(largest, said, tmp_path):
    assert any("balanced accuracy" in line for line in lines(pictures(tmp_path, a=10, b=largest))) == said


def test_sizes_are_told_from_the_smallest_to_the_largest_image(tmp_path):
    pictures(tmp_path, a=10)
    for i, size in enumerate([(12, 9)] * 3 + [(3, 100)] * 2 + [(40, 30)] * 10):
        save(tmp_path, f"b/{i}.png", grey(*size))
    assert inspect_folder(tmp_path).sizes == {(9, 6): 10, (12, 9): 3, (3, 100): 2, (40, 30): 10}
    assert "from 9×6 to 40×30 pixels, median 12×9" in lines(tmp_path)


def test_formats_modes_and_rotation_are_told_most_frequent_first(tmp_path):
    pictures(tmp_path, a=1, b=2)
    for i in range(4):
        save(tmp_path, f"a/{i}.jpg", colour(), exif=turned(3))
    told = lines(tmp_path)
    assert "format: JPEG 4, PNG 3" in told
    assert "pixels: colour 4, grey 3" in told
    assert "4 are stored turned (EXIF) and will be set upright" in told


def test_repeats_within_a_class_count_the_copies(tmp_path):
    copy(pictures(tmp_path, a=10, b=10), "a/0.png", "a/x.png", "a/y.png")
    assert "2 files repeat another one of their class byte for byte; each is used once" in lines(tmp_path)
    copy(tmp_path, "b/0.png", "b/x.png")
    assert "3 files repeat another one of their class byte for byte; each is used once" in lines(tmp_path)


def test_broken_file_is_a_warning_that_names_it(tmp_path):
    pictures(tmp_path, a=10, b=10)
    (tmp_path / "a/x.png").write_bytes(b"")
    assert lines(tmp_path)[-1] == (
        "WARNING: a/x.png can't be read as an image; the run will stop there: replace or remove it"
    )
    (tmp_path / "b/x.png").write_bytes(b"")
    assert lines(tmp_path)[-1] == (
        "WARNING: 2 files can't be read as images, the first a/x.png; the run will stop there: replace or remove them"
    )


def test_one_picture_in_two_classes_is_a_warning(tmp_path):
    pictures(tmp_path, a=10, b=10)
    copy(tmp_path, "a/0.png", "b/x.png", "b/y.png", "b/z.png")
    copy(tmp_path, "a/1.png", "b/w.png")
    warnings = [line for line in lines(tmp_path) if line.startswith("WARNING")]
    assert warnings == [
        "WARNING: 2 images are in different classes as identical files (a/0.png = b/x.png = b/y.png = … and 1 more): "
        "one of the labels must be wrong; keep the right one"
    ]


def test_small_classes_are_warned_of(tmp_path):
    pictures(tmp_path, a=10, x=5)
    advice = "too few to learn from and to test with; add images or leave"
    assert lines(tmp_path)[-1] == f"WARNING: class 'x' has 5 images: {advice} it out"
    pictures(tmp_path, v=1, w=9, y=2)
    assert lines(tmp_path)[-1] == (
        f"WARNING: 4 classes have fewer than 10 images (v 1, w 9, x 5, …): {advice} them out"
    )
