import numpy as np
import pytest
import torch

from radarlib.patches import PatchSampler, corrupt, overlap_average, positions


def numbered(*shapes):
    """Images whose pixel values are all different: a patch's first pixel tells where it comes from."""
    total = np.cumsum([0, *(h * w for h, w in shapes)])
    return [np.arange(a, a + h * w, dtype=np.float32).reshape(h, w) for a, (h, w) in zip(total, shapes, strict=False)]


def test_number_of_patches_is_the_papers():
    assert len(PatchSampler([np.zeros((100, 100), np.float32)] * 81, 28)) == 431_649  # RADAR Table I


def test_samples_are_patches_of_images_of_different_sizes():
    images = numbered((7, 9), (5, 5), (12, 6))
    every = {
        image[r : r + 4, c : c + 4].tobytes()
        for image in images
        for r in range(image.shape[0] - 3)
        for c in range(image.shape[1] - 3)
    }
    sampler = PatchSampler(images, 4)
    assert len(sampler) == len(every)
    drawn = sampler.sample(4000, torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 1, 4, 4) and drawn.dtype == torch.float32
    assert {patch.numpy().tobytes() for patch in drawn[:, 0]} == every


def test_positions_are_drawn_uniformly():
    images = numbered((6, 6), (5, 8))
    first = PatchSampler(images, 4).sample(60_000, torch.Generator().manual_seed(0))[:, 0, 0, 0]
    _, counts = np.unique(first, return_counts=True)
    assert len(counts) == 9 + 10
    assert counts == pytest.approx(60_000 / 19, rel=0.1)


def test_too_small_or_no_image_is_refused():
    with pytest.raises(ValueError, match="smaller than the 28-px patch"):
        PatchSampler([np.zeros((100, 20), np.float32)], 28)
    with pytest.raises(ValueError, match="no images"):
        PatchSampler([], 28)


def test_positions_reach_the_border():
    assert positions(100, 28, 14) == [0, 14, 28, 42, 56, 70, 72]
    assert positions(28, 28, 14) == [0]


@pytest.mark.parametrize("stride", [1, 3, 4, 7, 8])
def test_overlap_average_inverts_extraction(stride):
    image = torch.randn(30, 23)
    torch.testing.assert_close(overlap_average(image, 8, stride, 5, lambda patches: patches), image)


def test_overlap_average_is_the_mean_over_all_patches_that_cover_a_pixel():
    image = torch.randn(9, 11, generator=torch.Generator().manual_seed(0))

    def predict(patches):
        return patches.sum((2, 3), keepdim=True) + torch.arange(16.0).reshape(4, 4)

    total, count = np.zeros((9, 11)), np.zeros((9, 11))
    for r in range(6):
        for c in range(8):
            total[r : r + 4, c : c + 4] += image[r : r + 4, c : c + 4].sum().item() + np.arange(16).reshape(4, 4)
            count[r : r + 4, c : c + 4] += 1
    np.testing.assert_allclose(overlap_average(image, 4, 1, 7, predict), total / count, rtol=1e-5, atol=1e-5)


def test_overlap_average_never_asks_for_more_than_a_batch():
    sizes = []
    overlap_average(torch.zeros(50, 50), 8, 2, 13, lambda patches: sizes.append(len(patches)) or patches)
    assert max(sizes) == 13 and sum(sizes) == 22**2


def test_corruption_is_the_papers():
    generator = torch.Generator().manual_seed(0)
    x_0 = torch.rand(400, 1, 28, 28, generator=generator) * 2 - 1
    dirty = corrupt(x_0, 0.2, generator)
    touched = (dirty != x_0).flatten(1).any(1)
    assert 0.12 < touched.float().mean() < 0.28
    expected = ((x_0 + 1) / 2 * 5).clamp(max=1) * 2 - 1
    changed = (dirty == expected) & touched[:, None, None, None]
    assert torch.equal(dirty[~changed], x_0[~changed])
    blocks = changed[touched].view(-1, 14, 2, 14, 2).all(4).all(2).flatten(1).sum(1)
    assert (blocks == round(0.7 * 14 * 14)).all() and dirty.max() <= 1


def test_no_corruption_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    x_0 = torch.rand(8, 1, 28, 28, generator=generator)
    assert torch.equal(corrupt(x_0, 0.0, generator), x_0)
