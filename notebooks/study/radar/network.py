"""Questions put to a trained denoiser: its chain, its predictions, the distribution of its answers, its layers (RADAR
Figs. 2-5).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

from radarlib.datasets import GOOD, ImageSet
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.methods.reconstruct import reverse_chain
from radarlib.patches import PatchSampler, central_patch
from radarlib.unet import Attention, Level
from study.session import Session

RESAMPLES = 400  # of images
LAYER_LABELS = {
    "Conv2d": "conv",
    "ConvTranspose2d": "conv T",
    "GroupNorm": "norm",
    "ResBlock": "ResNet",
    "Attention": "attention",
}


def trained(session: Session, name: str, seed: int) -> Denoiser:
    """The denoiser of a set that was trained as published."""
    weights = session.path(name, f"seed{seed}", "models", "gaussian", "model.safetensors")
    session.path(name, f"seed{seed}", "models", "gaussian", "model.json")
    return Denoiser.load(weights.parent, session.settings["compute"]["device"])


def normal_patch(data: ImageSet, patch: int) -> torch.Tensor:
    """The central patch of the first normal test image, (1, 1, patch, patch)."""
    return central_patch(data.images[data.normal_test()[0]], patch)


def chain_states(
    data: ImageSet, denoiser: Denoiser, seed: int, shown: int = 6
) -> tuple[pd.DataFrame, dict[str, dict[int, np.ndarray]]]:
    """Fig. 2: one patch forward to T, and back from T by ancestral sampling, at `shown` time steps.

    Returns a table (direction, t, mean, standard deviation, correlation with x_0) and the patches by direction and t.
    """
    schedule, generator = denoiser.schedule, torch.Generator().manual_seed(seed)
    x_0 = normal_patch(data, denoiser.patch)
    marks = chain(schedule.steps, shown - 1)
    eps = torch.randn(x_0.shape, generator=generator)
    forward = {t: schedule.forward(x_0, torch.tensor([t]), eps)[0, 0].numpy() for t in reversed(marks)}
    times = sorted({*marks, *chain(schedule.steps, min(schedule.steps, 250))}, reverse=True)
    states = reverse_chain(
        torch.from_numpy(forward[times[0]])[None, None].to(denoiser.device), denoiser, times, generator
    )
    visited = dict(zip(times[1:], states, strict=True)) | {times[0]: torch.from_numpy(forward[times[0]])[None, None]}
    backward = {t: visited[t][0, 0].cpu().numpy() for t in marks}
    rows = [
        {
            "direction": direction,
            "t": t,
            "mean": x.mean(),
            "sd": x.std(),
            "correlation": np.corrcoef(x.ravel(), x_0.numpy().ravel())[0, 1],
        }
        for direction, patches in (("forward", forward), ("backward", backward))
        for t, x in patches.items()
    ]
    return pd.DataFrame(rows), {"forward": forward, "backward": backward}


def noise_predictions(
    data: ImageSet, denoiser: Denoiser, seed: int, times: tuple[int, ...]
) -> tuple[pd.DataFrame, list[tuple]]:
    """Fig. 3: noise in, noisy patch, noise predicted, at several t.

    Returns a table (t, mean squared error, correlation of ε and ε_θ over 64 patches) and, per t, (t, ε, x_t, ε_θ).
    """
    generator = torch.Generator().manual_seed(seed)
    test = [data.images[i] for i in data.where("test") if data.index["defect"][i] == GOOD]
    x_0 = torch.cat([normal_patch(data, denoiser.patch), PatchSampler(test, denoiser.patch).sample(63, generator)])
    eps = torch.randn(x_0.shape, generator=generator)
    rows, shown = [], []
    for t in times:
        x_t = denoiser.schedule.forward(x_0, torch.full((len(x_0),), t), eps)
        predicted = denoiser.eps(x_t.to(denoiser.device), t).cpu()
        correlation = np.corrcoef(eps.numpy().ravel(), predicted.numpy().ravel())[0, 1]
        rows.append({"t": t, "mse": torch.mean((eps - predicted) ** 2).item(), "correlation": correlation})
        shown.append((t, eps[0, 0].numpy(), x_t[0, 0].numpy(), predicted[0, 0].numpy()))
    return pd.DataFrame(rows), shown


def predicted_noise(
    data: ImageSet, denoiser: Denoiser, t: int, seed: int, patches: int = 200
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Fig. 4: ε_θ(x_t, t) of patches from normal test images and of patches centred on defects, (n, pixels) each, and
    the image that each is of, (n,).
    """
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    side, test = denoiser.patch, data.where("test")
    good = [i for i in test if data.index["defect"][i] == GOOD]
    anomalous, owners = [], []
    for i in test:
        mask = data.masks[i]
        if data.index["defect"][i] != GOOD and mask is not None and mask.any():
            rows, columns = np.nonzero(mask)
            for k in rng.integers(len(rows), size=3):
                r = int(np.clip(rows[k] - side // 2, 0, mask.shape[0] - side))
                c = int(np.clip(columns[k] - side // 2, 0, mask.shape[1] - side))
                anomalous.append(data.images[i][r : r + side, c : c + side])
                owners.append(i)
    own = np.resize(good, patches)
    normal = [PatchSampler([data.images[i]], side).sample(1, generator) for i in own]
    groups = {"normal": (torch.cat(normal), own)}
    if anomalous:
        chosen = rng.permutation(len(anomalous))[:patches]
        groups["anomalous"] = (
            torch.from_numpy(np.stack([anomalous[i] for i in chosen]))[:, None],
            np.array(owners)[chosen],
        )
    result = {}
    for kind, (x_0, of) in groups.items():
        x_t = denoiser.schedule.forward(x_0, torch.full((len(x_0),), t), torch.randn(x_0.shape, generator=generator))
        result[kind] = denoiser.eps(x_t.to(denoiser.device), t).cpu().numpy().reshape(len(x_0), -1), of
    return result


def normality(noise: np.ndarray, images: np.ndarray) -> dict[str, float]:
    """Is the predicted noise Gaussian? noise (n patches, pixels), images (n,) that they are of → statistics.

    `shapiro_w`: mean Shapiro-Wilk W of a patch (1 = Gaussian); `rejected`: share of patches that the test rejects
    at 5 %, by which a Gaussian sample of independent pixels is rejected in 5 % of cases (neighbouring pixels here
    are not quite independent); `rejected_sd`: its standard deviation over resamples of the images, since patches of one
    image are alike; `excess_kurtosis` over all pixels (0 = Gaussian); `sd` of all pixels.
    """
    tests = [stats.shapiro(patch) for patch in noise]
    rejected = np.array([test.pvalue < 0.05 for test in tests])
    names, owner = np.unique(images, return_inverse=True)
    weights = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)[:, owner]
    return {
        "patches": len(noise),
        "images": len(names),
        "sd": float(noise.std()),
        "excess_kurtosis": float(stats.kurtosis(noise.ravel())),
        "shapiro_w": float(np.mean([test.statistic for test in tests])),
        "rejected": float(rejected.mean()),
        "rejected_sd": float((weights @ rejected / weights.sum(axis=1)).std()),
    }


def gaussian_verdict(name: str, table: pd.DataFrame) -> str:
    """Fig. 4 in a sentence, computed from `normality` of the two kinds of patches."""
    rows = table.set_index("kind")
    normal = rows.loc["normal"]
    said = "consistent with" if normal["rejected"] <= 0.1 else "not quite" if normal["rejected"] <= 0.3 else "not"
    text = f"{name}: the predicted noise of normal patches is {said} Gaussian ({normal['rejected']:.0%} rejected)"
    if "anomalous" in rows.index:
        other = rows.loc["anomalous"]
        further = "further from Gaussian" if other["shapiro_w"] < normal["shapiro_w"] else "no further from Gaussian"
        text += (
            f"; that of anomalous ones is {further} ({other['rejected']:.0%} rejected) and"
            f" {other['sd'] / normal['sd']:.1f} times as strong"
        )
    return text


def network_layers(denoiser: Denoiser) -> pd.DataFrame:
    """Fig. 5: the blocks of the network in the order in which a patch runs through them, read off the model itself.

    Columns: block (its name in the model), label, channels and side of the output, parameters, MFLOPs for one patch.
    """
    net = denoiser.net
    blocks = {}
    for name, child in net.named_children():
        parts = child.named_children() if isinstance(child, torch.nn.ModuleList) else [("", child)]
        blocks.update({part: f"{name}.{key}".rstrip(".") for key, part in parts})
    rows: list[dict] = []

    def record(module: torch.nn.Module, _: tuple, output: torch.Tensor) -> None:
        label = LAYER_LABELS.get(type(module).__name__, "")
        if isinstance(module, Level):
            label = "ResNet\n+ att." if isinstance(module.attention, Attention) else "ResNet"
        side = output.shape[-1] if output.ndim == 4 else 1
        size = sum(p.numel() for p in module.parameters())
        rows.append(
            {"block": blocks[module], "label": label, "channels": output.shape[1], "side": side, "parameters": size}
        )

    hooks = [block.register_forward_hook(record) for block in blocks]
    with FlopCounterMode(display=False) as counter:
        net(
            torch.zeros(1, 1, denoiser.patch, denoiser.patch, device=denoiser.device),
            torch.ones(1, device=denoiser.device),
        )
    for hook in hooks:
        hook.remove()
    flops = {key.removeprefix("UNet."): sum(value.values()) for key, value in counter.get_flop_counts().items()}
    return pd.DataFrame(rows).assign(mflops=lambda table: [flops.get(name, 0) / 1e6 for name in table["block"]])
