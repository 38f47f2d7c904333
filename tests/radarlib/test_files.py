import errno
import os

import numpy as np
import pandas as pd
import pytest

from radarlib.errors import UserError
from radarlib.files import alone_in, read_json, write_bytes, write_csv, write_npz


def test_a_full_disk_leaves_the_old_file_intact(tmp_path, monkeypatch):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("radarlib.files.os.fsync", full)
    with pytest.raises(UserError, match=r"x.bin: cannot be written \(No space left on device\)"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_killed_write_leaves_the_old_file_intact(tmp_path, monkeypatch):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old")

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("radarlib.files.os.fsync", killed)
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


def test_an_empty_folder_of_the_users_stays_and_one_that_was_made_for_nothing_goes(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("mine", "made"):
        with alone_in(tmp_path / name):
            assert (tmp_path / name).is_dir()
    assert (tmp_path / "mine").is_dir() and not (tmp_path / "made").exists()
