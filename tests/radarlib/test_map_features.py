import cv2
import numpy as np
import pytest

from radarlib.map_features import MAP, filled, inner, norm_features, otsu_count, peak, sobel_map


def test_sobel_of_a_ramp_is_its_slope():
    ramp = np.tile(np.arange(20, dtype=np.float32) * 0.5, (20, 1))
    inner = sobel_map(ramp, sigma=0)[2:-2, 2:-2]
    np.testing.assert_allclose(inner, 8 * 0.5)  # Sobel's kernel sums to 8 for a unit slope
    assert sobel_map(np.full((20, 20), 0.3, np.float32)).max() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("blur", ["gaussian", "uniform"])
def test_blur_weakens_noise_more_with_its_width(blur):
    noise = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    strength = [sobel_map(noise, blur, sigma).std() for sigma in (0, 1, 2, 4)]
    assert strength == sorted(strength, reverse=True) and strength[3] < strength[0] / 10


def test_what_a_map_shows_at_its_rim_is_no_score():
    grid = np.zeros((64, 64), np.float32)
    grid[3, 30] = grid[30, 60] = 9  # 224 px of 256 begin at the fifth of 64 cells
    grid[4, 30] = 1
    assert inner(grid).max() == 1 == peak(grid)
    assert inner(grid[:8, :8]).shape == (8, 8)


def test_a_rim_narrower_than_a_location_is_left_out_all_the_same():
    found = np.ones((10, 10), np.float32)
    found[0] = 9
    assert 1 < peak(found) < 9, "the rim is a sixteenth, and that location a tenth"
    assert peak(found) == peak(found.ravel()) == inner(cv2.resize(found, (MAP, MAP))).max()
    found[0], found[5, 5] = 1, 9
    assert peak(found) == pytest.approx(9, rel=0.1), "a defect inside it counts whole"


def test_norms_are_root_mean_squares_of_image_and_worst_window():
    s = np.zeros((50, 40), np.float32)
    s[10:15, 20:25] = 2.0
    overall, local = norm_features(s, 5)
    assert overall == pytest.approx(np.sqrt(25 * 4 / 2000))
    assert local == pytest.approx(2.0)
    assert norm_features(s, 10)[1] == pytest.approx(np.sqrt(25 * 4 / 100))


@pytest.mark.parametrize("window", [1, 4, 7, 16])
def test_local_norm_equals_a_brute_force_search(window):
    s = np.random.default_rng(1).random((21, 17)).astype(np.float32)
    best = max(
        np.sqrt((s[r : r + window, c : c + window].astype(float) ** 2).mean())
        for r in range(21 - window + 1)
        for c in range(17 - window + 1)
    )
    assert norm_features(s, window)[1] == pytest.approx(best, rel=1e-6)


def test_window_larger_than_the_image_is_the_image():
    s = np.random.default_rng(1).random((9, 12)).astype(np.float32)
    overall, local = norm_features(np.ascontiguousarray(s[:, :9]), 28)
    assert overall == pytest.approx(local)


def test_otsu_counts_the_brighter_class():
    residual = np.random.default_rng(2).uniform(0.0, 0.1, (40, 40))
    residual[:10, :10] = 0.9
    assert otsu_count(residual) == pytest.approx(100 / 1600)
    assert otsu_count(np.zeros((5, 5))) == 0


def test_filling_raises_the_inside_of_a_ring_to_its_rim_and_leaves_the_outside():
    y, x = np.indices((40, 40))
    ring = np.exp(-((np.hypot(y - 20, x - 20) - 8) ** 2)).astype(np.float32)
    inside = filled(ring)
    assert inside[20, 20] > 0.6 and inside[2, 2] < 0.01 and (inside >= ring - 1e-6).all()
    flat = np.full((10, 12), 0.5, np.float32)
    np.testing.assert_array_equal(filled(flat), flat)
