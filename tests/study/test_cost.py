"""What is counted of cost."""

import pytest
import torch

from radarlib.unet import UNet
from study.radar.cost import activations, attention_matrices, flops, memory_by_side, patch_claims, tiled


def test_activations_are_the_outputs_of_all_layers():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.SiLU()).to("meta")
    net.forward = lambda x, t, f=net.forward: f(x)
    assert activations(net, 10) == 4 * 2 * 3 * 100
    assert flops(net, 10) == 2 * 9 * 3 * 100


def test_without_attention_cost_is_proportional_to_the_area():
    with torch.device("meta"):
        net = UNet(8, (1, 2), ())
    net.mid_attention = torch.nn.Identity()
    assert flops(net, 160) / flops(net, 16) == pytest.approx(100, rel=0.01)


def test_matrices_of_attention_grow_with_the_square_of_the_area():
    with torch.device("meta"):
        net = UNet(8, (1, 2), (1,))
    assert attention_matrices(net, 32) == 16 * attention_matrices(net, 16)
    levels = 3  # on the way down, in the middle, on the way up
    assert attention_matrices(net, 16) == levels * 4 * (8 * 8) ** 2


def test_patch_claims_and_memory(settings):
    claims = patch_claims(settings)
    assert claims["ours"].iloc[0] == pytest.approx(400, rel=0.05)
    assert claims["ours"].iloc[1] >= claims["ours"].iloc[0]  # attention grows with the square of the area
    memory = memory_by_side(settings)
    assert memory["one batch of patches"].nunique() == 1 and memory["whole image"].is_monotonic_increasing


@pytest.mark.parametrize("side", [30, 64])
def test_tiled_images_have_the_side_asked_for(images, side):
    assert tiled(images, side).shape == (side, side)
