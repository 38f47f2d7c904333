import pytest
import torch
from torch import nn

from radarlib.unet import Attention, UNet, time_embedding


@pytest.mark.parametrize("side", [28, 32, 40])
def test_output_has_the_shape_of_its_input(side):
    assert UNet(width=8)(torch.zeros(3, 1, side, side), torch.ones(3)).shape == (3, 1, side, side)


def test_layers_are_those_of_fig_5():
    net = UNet(width=8, multipliers=(1, 2, 4), attention_levels=(2,))
    for layer in net.downsample:
        assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))
    for layer in net.upsample:
        assert isinstance(layer, nn.ConvTranspose2d) and (layer.kernel_size, layer.stride) == ((4, 4), (2, 2))
    assert sum(isinstance(m, Attention) for m in net.modules()) == 3  # down, middle, up at the smallest map


def test_each_patch_is_predicted_by_itself():
    torch.manual_seed(0)
    net, x, t = UNet(width=8).eval(), torch.randn(5, 1, 28, 28), torch.arange(1, 6)
    with torch.no_grad():
        torch.testing.assert_close(net(x, t)[2:3], net(x[2:3], t[2:3]), atol=1e-5, rtol=1e-4)


def test_time_step_matters_in_every_res_block():
    torch.manual_seed(0)
    net, x = UNet(width=8).eval(), torch.randn(1, 1, 28, 28)
    with torch.no_grad():
        assert not torch.allclose(net(x, torch.tensor([1])), net(x, torch.tensor([900])))
    net(x, torch.tensor([5])).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_attention_equals_its_definition():
    torch.manual_seed(0)
    layer, x = Attention(8), torch.randn(2, 8, 4, 4)
    q, k, v = layer.qkv(layer.norm(x)).flatten(2).chunk(3, dim=1)
    weights = (q.transpose(1, 2) @ k / 8**0.5).softmax(-1)  # (N, HW, HW)
    expected = x + layer.out((v @ weights.transpose(1, 2)).reshape(x.shape))
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-4)


def test_time_embedding_tells_all_steps_apart():
    embedding = time_embedding(torch.arange(1, 1001), 16)
    assert embedding.shape == (1000, 16)
    assert torch.cdist(embedding, embedding).fill_diagonal_(1).min() > 1e-3
