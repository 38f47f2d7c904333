import errno
import os

import numpy as np
import pandas as pd
import pytest

from radarlib.artifacts import provenance, read_json, sha256_file, write_bytes, write_csv, write_json, write_npz
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError


def test_a_full_disk_leaves_the_old_file_intact(tmp_path, monkeypatch):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("radarlib.artifacts.os.fsync", full)
    with pytest.raises(UserError, match=r"x.bin: cannot be written \(No space left on device\)"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_killed_write_leaves_the_old_file_intact(tmp_path, monkeypatch):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old")

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("radarlib.artifacts.os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_equal_tables_are_equal_files(tmp_path):
    for name in "ab":
        write_csv(tmp_path / name, pd.DataFrame({"x": [1 / 3, np.nan], "y": ["é", "b"]}), 6)
        write_npz(tmp_path / f"{name}.npz", x=np.arange(3))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == "x,y\n0.333333,é\n,b\n".encode()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(UserError, match="x.json: damaged"):
        read_json(tmp_path / "x.json")
    with pytest.raises(UserError, match="y.json: missing"):
        read_json(tmp_path / "y.json")


def test_provenance_says_what_went_in(tmp_path):
    write_json(tmp_path / "in.json", {"a": 1})
    record = provenance([tmp_path / "in.json"], tmp_path, exhibit="e", seconds=1.0)
    assert record["inputs"] == {"in.json": sha256_file(tmp_path / "in.json")}
    assert {"commit", "dirty", "versions", "machine", "exhibit", "seconds"} <= set(record)
    assert record["versions"]["torch"].startswith("2.")


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
