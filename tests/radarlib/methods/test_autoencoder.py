"""The autoencoder of D3AD's latent space."""

import numpy as np
import pytest
import torch

from radarlib.methods import autoencoder

OPTIONS = {"latents": 3, "width": 4, "factor": 4, "steps": 60, "batch": 4, "lr": 0.01}


@pytest.fixture
def squares() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.uniform(-1, 1, (4, 4)), np.ones((4, 4))).astype(np.float32) for _ in range(8)]


def test_the_autoencoder_learns_standardises_and_is_not_trained_twice(squares, tmp_path):
    file = tmp_path / "autoencoder.safetensors"
    net = autoencoder.fit(squares, OPTIONS, 0, file, "cpu", "test")
    x = torch.from_numpy(np.stack(squares))[:, None]
    with torch.inference_mode():
        z = net.encode(x)
        error = ((net.decode(z) - x) ** 2).mean().item()
    assert z.shape == (8, 3, 4, 4) and error < 0.5 * x.var().item()
    np.testing.assert_allclose(z.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(z.std((0, 2, 3)), 1, atol=1e-3)
    stamp = file.stat().st_mtime_ns
    again = autoencoder.fit(squares, OPTIONS, 0, file, "cpu", "test")
    assert file.stat().st_mtime_ns == stamp
    torch.testing.assert_close(again.encode(x), net.encode(x))
    autoencoder.fit(squares[1:], OPTIONS, 0, file, "cpu", "test")
    assert file.stat().st_mtime_ns != stamp
