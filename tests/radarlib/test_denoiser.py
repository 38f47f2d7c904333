import pytest

from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.files import write_json


def test_a_model_directory_keeps_its_network(settings, tmp_path):
    import torch

    denoiser = Denoiser.untrained(settings, 0)
    denoiser.save(tmp_path)
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(Denoiser.load(tmp_path).eps(x, 1), denoiser.eps(x, 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_damaged_or_foreign_models_are_named(settings, tmp_path):
    Denoiser.untrained(settings, 0).save(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-8])
    with pytest.raises(UserError, match="model.safetensors: damaged"):
        Denoiser.load(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model.safetensors: missing"):
        Denoiser.load(tmp_path)
    write_json(tmp_path / "model.json", {"format": 99})
    with pytest.raises(UserError, match="model.json: format 99, this radarlib reads format 2"):
        Denoiser.load(tmp_path)
