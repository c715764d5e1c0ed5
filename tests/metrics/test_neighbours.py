"""Neighbours and balls against brute force: exact, whatever the tiles, ties, copies and groups."""

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from synthgap.metrics import neighbours
from synthgap.metrics.neighbours import NO_GROUP, count_hits, nearest, nearest_distances, squared_radii


def hits_in(points, centres, squared, point_groups, centre_groups, leave_out):
    """Hits of points in balls around centres, the same from both places that a set may have."""
    none = np.full((len(leave_out), len(points)), -1.0)
    found, nothing = count_hits(points, centres, (none, squared), (point_groups, centre_groups), leave_out)
    assert not nothing.closed.any()
    _, turned = count_hits(centres, points, (squared, none), (centre_groups, point_groups), leave_out)
    for name in ("closed", "open", "filled"):
        assert np.array_equal(getattr(found, name), getattr(turned, name))
    return found


def normal(n, d, seed, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


@pytest.fixture(params=["whole", "tiled"])
def tiles(request, monkeypatch):
    """Everything in one tile, or tiles so small that both directions take several."""
    if request.param == "tiled":
        monkeypatch.setattr(neighbours, "ROWS", 7)
        monkeypatch.setattr(neighbours, "COLUMNS", 11)


@pytest.mark.parametrize(
    ("n", "m", "d", "dtype"), [(1, 20, 3, np.float64), (60, 45, 2, np.float32), (30, 50, 200, np.float32)]
)
@pytest.mark.parametrize("k", [1, 3, 20])
def test_distances_are_those_of_a_brute_force(tiles, n, m, d, dtype, k):
    a, b = normal(n, d, 0, dtype), normal(m, d, 1, dtype) + dtype(50)
    wanted = np.sort(cdist(a.astype(float), b.astype(float)), axis=1)[:, :k]
    np.testing.assert_allclose(nearest_distances(a, b, k), wanted, rtol=1e-13)
    distances, places = nearest(a, b, k)
    own = np.linalg.norm(a[:, None].astype(float) - b[places].astype(float), axis=2)
    np.testing.assert_allclose(distances, own, rtol=1e-12)


def test_a_set_can_leave_itself_out(tiles):
    a = normal(40, 4, 0)
    across = cdist(a, a)
    np.fill_diagonal(across, np.inf)
    np.testing.assert_allclose(nearest_distances(a, a, 39, exclude_self=True), np.sort(across, axis=1)[:, :39])
    assert (nearest_distances(a, a)[:, 0] == 0).all()


def test_near_copies_far_from_the_origin_keep_their_distance(tiles):
    a = 1e4 + normal(30, 50, 0)
    found = nearest_distances(a + 1e-8, a)[:, 0]
    exact = np.sqrt((((a + 1e-8) - a) ** 2).sum(axis=1))
    assert found == pytest.approx(exact, rel=1e-12)
    assert (found > 0).all()


def test_integer_pixels_are_compared_exactly(tiles):
    a = np.random.default_rng(0).integers(0, 256, (40, 64), dtype=np.uint8)
    squared = ((a[:, None].astype(int) - a[None].astype(int)) ** 2).sum(axis=2)
    np.fill_diagonal(squared, squared.max() + 1)
    assert (nearest_distances(a, a, exclude_self=True)[:, 0] == np.sqrt(squared.min(axis=1))).all()


def test_points_that_are_all_the_same_are_at_distance_0(tiles):
    same = np.full((30, 3), 7.3)
    assert (nearest_distances(same, same, 5, exclude_self=True) == 0).all()


def brute_hits(points, centres, radii):
    across = cdist(points, centres)
    return (across <= radii).sum(axis=1), (across < radii).sum(axis=1), (across < radii).sum(axis=0)


@pytest.mark.parametrize("lattice", [False, True])
def test_hits_and_radii_with_a_group_left_out_are_those_of_the_smaller_sets(tiles, lattice):
    if lattice:  # many equal distances: ≤ and < differ
        points, centres = (np.random.default_rng(s).integers(0, 3, (40, 3)).astype(float) for s in (0, 1))
    else:
        points, centres = normal(40, 3, 0), normal(40, 3, 1)
    groups = np.random.default_rng(2).permutation(40) % 4
    leave_out = [NO_GROUP, 0, 1, 2, 3]
    squared = squared_radii(centres, 3, groups, leave_out)
    hits = hits_in(points, centres, squared, groups, groups, leave_out)
    for row, group in enumerate(leave_out):
        kept = groups != group
        radii = np.sort(cdist(centres[kept], centres[kept]), axis=1)[:, 3]
        np.testing.assert_allclose(np.sqrt(squared[row, kept]), radii, rtol=1e-13)
        closed, opened, filled = brute_hits(points[kept], centres[kept], np.sqrt(squared[row, kept]))
        if not lattice:  # on a lattice the root of a squared radius may round; see the next test
            assert np.array_equal(hits.closed[row, kept], closed)
            assert np.array_equal(hits.open[row, kept], opened)
            assert np.array_equal(hits.filled[row, kept], filled)


def test_ties_on_a_lattice_are_inside_for_one_count_and_outside_for_the_other(tiles):
    points = np.array([[0.0, 0], [3, 4], [1, 0]])
    centres = np.array([[0.0, 0], [10, 0]])
    none = np.zeros(3, dtype=int), np.zeros(2, dtype=int)
    hits = hits_in(points, centres, np.array([[25.0, 1.0]]), *none, [NO_GROUP])
    assert hits.closed.tolist() == [[1, 1, 1]]
    assert hits.open.tolist() == [[1, 0, 1]]
    assert hits.filled.tolist() == [[2, 0]]


def test_a_group_that_holds_every_near_neighbour_is_no_trouble(tiles):
    points = np.concatenate([normal(30, 2, 0) * 0.01, normal(10, 2, 1) + 5])
    groups = np.r_[np.zeros(29, dtype=int), np.ones(11, dtype=int)]  # point 29 lies among the group that goes
    squared = squared_radii(points, 3, groups, [0])
    kept = groups != 0
    wanted = np.sort(cdist(points[kept], points[kept]), axis=1)[:, 3]
    np.testing.assert_allclose(np.sqrt(squared[0, kept]), wanted)


def test_memory_does_not_grow_with_the_product_of_the_sets(monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS", 64)
    monkeypatch.setattr(neighbours, "COLUMNS", 128)
    a, b = normal(4000, 4, 0), normal(4000, 4, 1)
    tracemalloc.start()
    nearest_distances(a, b, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 4000 * 8 / 10


def squared_by_loop(a, b):
    """Squared distances from differences, one pair of rows at a time, in float64."""
    return np.array([((x.astype(np.float64) - b.astype(np.float64)) ** 2).sum(axis=1) for x in a])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (23, 1, 4), (1, 23, 4), (23, 24, 1), (40, 25, 64)])
def test_every_shape_and_type_is_compared_in_float64(tiles, n, m, d, dtype):
    rng = np.random.default_rng(0)
    a, b = ((100 * rng.random((count, d))).astype(dtype) for count in (n, m))
    for k in {1, m}:
        wanted = np.sqrt(np.sort(squared_by_loop(a, b), axis=1)[:, :k])
        assert np.array_equal(nearest_distances(a, b, k), wanted)


def test_duplicates_are_neighbours_of_one_another(tiles):
    a = np.repeat(normal(12, 5, 0), 3, axis=0)  # each one has two twins
    found = nearest_distances(a, a, 3, exclude_self=True)
    assert (found[:, :2] == 0).all()
    assert (found[:, 2] > 0).all()
    many = np.repeat(normal(2, 5, 0), 30, axis=0)  # more twins than the product has candidates
    wanted = np.sqrt(squared_by_loop(many, many).max(axis=1))
    assert np.array_equal(nearest_distances(many, many, 30, exclude_self=True)[:, 29], wanted)


def test_near_copies_at_scale_1_are_not_at_distance_0_nor_somewhere_else(tiles):
    a = normal(60, 30, 0)
    found, places = nearest(a + 1e-9, a)
    assert found[:, 0] == pytest.approx(1e-9 * np.sqrt(30), rel=1e-6)
    assert places[:, 0].tolist() == list(range(60))


def test_a_far_outlier_does_not_blur_the_others(tiles):
    a = np.concatenate([normal(50, 3, 0) * 1e-3, np.full((1, 3), 1e8)])
    wanted = squared_by_loop(a, a)
    np.fill_diagonal(wanted, np.inf)
    assert np.array_equal(nearest_distances(a, a, 3, exclude_self=True), np.sqrt(np.sort(wanted, axis=1)[:, :3]))


def test_radii_are_exact_where_the_group_that_goes_uses_up_the_candidates():
    """The next neighbours lie within the rounding of the product: a distant cluster keeps the centre far away."""
    for seed in range(8):
        circle = normal(200, 2, seed)
        circle /= np.linalg.norm(circle, axis=1, keepdims=True)
        thickness = 1 + 1e-3 * np.random.default_rng(seed).random((200, 1))
        gone = 0.01 * normal(neighbours.SPARE, 2, 100 + seed)
        points = np.concatenate([np.zeros((1, 2)), gone, circle * np.sqrt(thickness), circle + 1e6])
        groups = np.zeros(len(points), dtype=int)
        groups[1 : 1 + len(gone)] = 1
        wanted = np.sort(squared_by_loop(points[:1], points[groups == 0])[0])[1]
        assert squared_radii(points, 1, groups, [1])[0, 0] == wanted


def test_a_list_of_candidates_that_is_too_short_is_replaced_by_the_whole_row(monkeypatch):
    rows = []
    exact_row = neighbours._exact_row
    monkeypatch.setattr(neighbours, "_exact_row", lambda a, point: rows.append(1) or exact_row(a, point))
    points = np.concatenate([0.01 * normal(30, 2, 0), normal(30, 2, 1) + 5])
    groups = np.r_[np.zeros(29, dtype=int), np.ones(31, dtype=int)]
    squared = squared_radii(points, 2, groups, [NO_GROUP, 0])
    assert rows
    for row, kept in enumerate((groups >= 0, groups != 0)):
        wanted = np.sort(squared_by_loop(points[kept], points[kept]), axis=1)[:, 2]
        assert np.array_equal(squared[row, kept], wanted)


def test_hits_on_an_integer_lattice_are_counted_exactly(tiles):
    rng = np.random.default_rng(3)
    points, centres = rng.integers(0, 4, (50, 3)).astype(np.uint8), rng.integers(0, 4, (33, 3)).astype(np.uint8)
    radii = rng.integers(0, 8, (3, 33)).astype(np.float64)
    mine, theirs, leave_out = rng.integers(0, 3, 50), rng.integers(0, 3, 33), [NO_GROUP, 0, 2]
    hits = hits_in(points, centres, radii, mine, theirs, leave_out)
    across = squared_by_loop(points, centres)
    for row, group in enumerate(leave_out):
        left, ball = mine != group, theirs != group
        near = across[left][:, ball]
        assert np.array_equal(hits.closed[row, left], (near <= radii[row, ball]).sum(axis=1))
        assert np.array_equal(hits.open[row, left], (near < radii[row, ball]).sum(axis=1))
        assert np.array_equal(hits.filled[row, ball], (near < radii[row, ball]).sum(axis=0))
        assert (hits.closed[row, left] > hits.open[row, left]).any()  # there are ties


SETS = {
    "normal": lambda rng: rng.standard_normal((31, 3)),
    "wide": lambda rng: rng.standard_normal((31, 600)),
    "far from the origin": lambda rng: 1e4 + rng.standard_normal((31, 3)),
    "tight clusters": lambda rng: 100 * rng.integers(0, 2, (31, 1)) + 1e-5 * rng.standard_normal((31, 3)),
    "an outlier": lambda rng: np.r_[rng.standard_normal((30, 3)), np.full((1, 3), 1e7)],
    "too large for float32": lambda rng: 1e25 * rng.standard_normal((31, 3)),
    "too small for float32": lambda rng: 1e-25 * rng.standard_normal((31, 3)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("made", SETS.values(), ids=SETS)
def test_tiles_cover_every_pair_once_and_bound_its_distance(monkeypatch, made, dtype):
    monkeypatch.setattr(neighbours, "ROWS", 7)
    monkeypatch.setattr(neighbours, "COLUMNS", 11)
    a, b = made(np.random.default_rng(0)), np.concatenate([made(np.random.default_rng(s)) for s in (1, 2)])
    seen, wanted = np.zeros((len(a), len(b)), dtype=int), squared_by_loop(a, b)
    for tile in neighbours._tiles(a, b, dtype):
        assert tile.lower.shape[0] <= 7
        assert tile.lower.shape[1] <= 11
        near, slack = wanted[tile.rows, tile.columns], tile.slack[0][:, None] + tile.slack[1]
        assert (tile.lower <= near).all()
        assert (near <= tile.lower + slack).all()
        seen[tile.rows, tile.columns] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("made", SETS.values(), ids=SETS)
def test_neighbours_and_hits_are_exact_where_float32_is_too_coarse(tiles, made):
    a, b = made(np.random.default_rng(0)), made(np.random.default_rng(1))
    across, within = squared_by_loop(a, b), squared_by_loop(b, b)
    assert np.array_equal(nearest_distances(a, b, 5), np.sqrt(np.sort(across, axis=1)[:, :5]))
    none = np.zeros(len(a), dtype=int)
    squared = squared_radii(b, 3, none, [NO_GROUP])
    assert np.array_equal(squared[0], np.sort(within, axis=1)[:, 3])
    hits = hits_in(a, b, squared, none, none, [NO_GROUP])
    assert np.array_equal(hits.closed[0], (across <= squared).sum(axis=1))
    assert np.array_equal(hits.filled[0], (across < squared).sum(axis=0))


def test_both_directions_come_from_one_pass():
    a, b = normal(40, 3, 0), normal(33, 3, 1) + 0.5
    none = np.zeros(40, dtype=int), np.zeros(33, dtype=int)
    radii = [squared_radii(x, 3, g, [NO_GROUP]) for x, g in zip((a, b), none, strict=True)]
    found = count_hits(a, b, tuple(radii), none, [NO_GROUP])
    for hits, points, centres, squared in zip(found, (a, b), (b, a), radii[::-1], strict=True):
        assert np.array_equal(hits.closed[0], (squared_by_loop(points, centres) <= squared).sum(axis=1))


def test_memory_of_radii_and_hits_does_not_grow_with_the_product_either(monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS", 256)
    monkeypatch.setattr(neighbours, "COLUMNS", 512)
    a, none = normal(3000, 4, 0), np.zeros(3000, dtype=int)
    tracemalloc.start()
    radii = squared_radii(a, 3, none, [NO_GROUP])
    count_hits(a, a, (radii, radii), (none, none), [NO_GROUP])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 / 5


def test_what_has_no_neighbours_is_refused():
    a = normal(5, 3, 0)
    for call, reason in (
        (lambda: nearest_distances(a, a[:2], 3), "k is 3; there are 2 neighbours"),
        (lambda: nearest_distances(a, a, 5, exclude_self=True), "k is 5; there are 4"),
        (lambda: nearest_distances(a, a, 0), "k is 0"),
        (lambda: nearest_distances(a, a[:, :2]), "share no dimension"),
        (lambda: nearest_distances(a, a[:4], exclude_self=True), "as many queries"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()
