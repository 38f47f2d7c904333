import os

import pytest
import torch
from threadpoolctl import threadpool_info

from radarlib.errors import UserError
from radarlib.runtime import SPINS, resolve_device, resolve_precision, use_threads


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_precision("bfloat16", torch.device("cpu")) is torch.bfloat16
    with pytest.raises(UserError, match="device 'cpu:x': unknown"):
        resolve_device("cpu:x")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="device 'cuda' is not available here"):
            resolve_device("cuda")


def test_one_thread_is_one_for_every_library_that_computes():
    before = torch.get_num_threads()
    try:
        use_threads(1)
        found = {(one["internal_api"], one["num_threads"]) for one in threadpool_info()}
        assert found and {count for _, count in found} == {1}, found
    finally:
        use_threads(before)


def test_waiting_threads_sleep_soon_unless_the_user_says_how_they_wait(monkeypatch):
    before = torch.get_num_threads()
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    try:
        use_threads(1)
        assert os.environ["GOMP_SPINCOUNT"] == SPINS and os.environ["OMP_NUM_THREADS"] == "1"
        monkeypatch.delenv("GOMP_SPINCOUNT")
        monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
        use_threads(1)
        assert "GOMP_SPINCOUNT" not in os.environ
    finally:
        use_threads(before)
        os.environ.pop("GOMP_SPINCOUNT", None)
