import pytest
import torch

from radarlib.errors import UserError
from radarlib.runtime import resolve_device, resolve_precision


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_precision("bfloat16", torch.device("cpu")) is torch.bfloat16
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="device 'cuda' is not available here"):
            resolve_device("cuda")
