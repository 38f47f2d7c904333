"""D3AD's pieces against published figures and against their definitions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from radarlib.d3ad import disturb, guided_ddim
from radarlib.diffusion import Schedule

SCHEDULE = Schedule(1000, 0.0015, 0.0195)


@pytest.mark.parametrize("eta", [0, 4])
def test_guided_ddim_is_the_published_one(eta):
    """A toy predictor (tests/reference); its t counts from 0, ours from 1."""
    with np.load(Path(__file__).with_name("reference") / "d3ad.npz") as data:
        x_0, expected = (torch.from_numpy(data[k]) for k in ("x0", f"d3ad_x0_guidance{eta}"))

    def toy(x, t):
        return 0.5 * torch.tanh(x) + 0.1 * np.cos((t - 1) / 100)

    start = disturb(x_0, 81, 0.0, torch.zeros_like(x_0), SCHEDULE)
    found = guided_ddim(start, x_0, toy, SCHEDULE, [*range(81, 8, -8), 0], eta)
    torch.testing.assert_close(found[-1], expected, atol=1e-6, rtol=0)
