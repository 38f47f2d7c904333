"""The systems of the other papers: what their equations must keep, and that each fits, judges and repeats itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from radarlib.config import resolve
from radarlib.denoiser import Denoiser
from radarlib.diffusion import Schedule
from radarlib.extractor import Extractor
from radarlib.methods import (
    artificial,
    blocks,
    cfa,
    diffusing,
    draem,
    dsr,
    flows,
    reconstructing,
    reverse_distillation,
    simplenet,
    student,
)
from radarlib.methods.fitting import Given, embed
from radarlib.textures import smooth_field
from study.systems.plan import RECONSTRUCTING, SYSTEMS

SIDE = 32


def surfaces(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.clip(0.3 * smooth_field((SIDE, SIDE), 2, rng), -1, 1).astype(np.float32) for _ in range(n)]


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Given:
    settings = resolve({
        "features": {"side": 64}, "training": {"patch": SIDE}, "unet": {"width": 8},
        "feature_step": {"steps": 3, "width": 16},
        "closed_form": {"patches": 500}, "radar": {"stride": 16, "window": 16},
        "d3ad": {"coreset": 50, "spade": 3, "width": 8, "autoencoder_width": 4, "limit": 3},
        "compute": {"device": "cpu"},
    })  # fmt: skip
    extractor = Extractor(settings["features"], "cpu")
    denoiser = Denoiser.untrained(settings, 0, "cpu")
    closed = {**settings, "training": {**settings["training"], "patch": 16}}
    return Given(surfaces(6), extractor, 3, 2, 0, "test", denoiser, closed, tmp_path_factory.mktemp("systems"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_fits_and_judges_and_repeats_itself(given, name):
    found = []
    for _ in range(2):
        fitted = SYSTEMS[name].load()(given)
        found.append(fitted.judge(surfaces(7)[-1]))
        assert all(np.isfinite(fitted.losses))
    (first, score, x_hat), (again, repeated, _) = found
    assert first.ndim == 2 and first.shape[0] == first.shape[1] and np.isfinite(first).all()
    assert score is None or np.isfinite(score)
    assert np.array_equal(first, again) and score == repeated
    assert (x_hat is not None) == (name in RECONSTRUCTING)
    assert x_hat is None or (x_hat.ndim == 2 and np.isfinite(x_hat).all())


def test_a_student_that_answers_as_its_teacher_is_no_distance_away(given):
    levels = embed(given.extractor, given.stack[:2])
    assert all(d.abs().max() < 1e-6 for d in student.distances(levels, levels))
    opposite = student.distances(levels, [-x for x in levels])
    assert all(torch.allclose(d, torch.full_like(d, 2), atol=1e-4) for d in opposite)  # ½ ‖2 x̂‖²
    assert all(m.abs().max() < 1e-5 for m in reverse_distillation.cosine_maps(levels, levels))
    other = student.untrained(given.extractor, 1)
    assert not torch.allclose(embed(other, given.stack[:1])[0], levels[0][:1])


def test_projected_features_are_led_to_normal_ones_and_kept_apart_from_disturbed_ones():
    a, b = torch.randn(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    apart = reverse_distillation.projection_loss(a, b, b)  # led, and of another direction
    assert apart.item() == pytest.approx(0, abs=1e-6)
    assert reverse_distillation.projection_loss(b, b, b).item() == pytest.approx(0.1 * 0.5 / 1.11, rel=1e-4)
    assert reverse_distillation.projection_loss(a, -b, b).item() == pytest.approx(0.01 * 2 / 1.11, rel=1e-4)


def test_a_short_training_of_batch_norms_ends_with_statistics_of_its_own(given):
    net = student.untrained(given.extractor, 0).net
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms and all((1 - norm.momentum) ** 60 < 0.002 for norm in norms if norm.momentum is not None)


@pytest.mark.parametrize("condition", [0, 3])
def test_a_flows_volume_is_its_jacobians(condition):
    torch.manual_seed(0)
    x = torch.randn(6, 5)
    flow = flows.Flow(x, [flows._perceptron] * 3, condition)
    told = torch.randn(1, condition) if condition else None
    jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None], told)[0][0], x[0])
    assert isinstance(jacobian, torch.Tensor)
    standardised = flow.sd.log().sum()  # which the volume leaves out: it is the same everywhere
    found = flow(x[:1], told)[1]
    assert found.item() == pytest.approx((torch.linalg.slogdet(jacobian)[1] + standardised).item(), abs=1e-4)


class Louder:
    """An extractor whose features are multiplied by a number."""

    def __init__(self, extractor: Extractor, factor: float):
        self.net, self.device, self.of, self.factor = extractor.net, extractor.device, extractor, factor

    def maps(self, x: torch.Tensor, finer: bool) -> list[torch.Tensor]:
        return [self.factor * m for m in self.of.maps(x, finer)]


def test_simplenets_noise_is_as_strong_on_features_of_any_scale(given):
    def judged(factor: float) -> np.ndarray:
        louder = replace(given, extractor=Louder(given.extractor, factor))  # type: ignore[arg-type]
        return simplenet.fit(louder).judge(given.images[0]).map

    assert np.allclose(judged(1), judged(8), atol=1e-3)


def test_positions_differ_everywhere():
    codes = flows.positions(6)
    assert codes.shape == (36, flows.POSITION) and len(torch.unique(codes.round(decimals=4), dim=0)) == 36


def test_cfa_finds_the_nearest_as_an_independent_search_does():
    rng = np.random.default_rng(0)
    x, memory = rng.normal(size=(20, 6)).astype(np.float32), rng.normal(size=(30, 6)).astype(np.float32)
    found = cfa.squares(torch.from_numpy(x), torch.from_numpy(memory), 4).sqrt().numpy()
    assert np.allclose(found, NearestNeighbors(n_neighbors=4).fit(memory).kneighbors(x)[0], atol=1e-4)
    inside = torch.tensor([[0.1, 0.2, 0.3, 2.0, 2.0, 2.0]])
    assert cfa.soft_boundary(inside, torch.tensor(1.0)) == 0  # attracted ones are inside, repelled ones outside
    assert cfa.soft_boundary(inside * 5, torch.tensor(1.0)) > 0


def test_structural_similarity_is_that_of_an_independent_implementation():
    x, y = surfaces(2)
    expected = structural_similarity(x, y, win_size=11, data_range=2, use_sample_covariance=False, full=True)[1]
    found = blocks.ssim_map(torch.from_numpy(x)[None, None], torch.from_numpy(y)[None, None])[0, 0].numpy()
    assert np.allclose(found[5:-5, 5:-5], expected[5:-5, 5:-5], atol=1e-4)
    assert reconstructing.gradient_similarity(*[torch.from_numpy(x)[None, None]] * 2).sub(1).abs().max() < 1e-5


def test_focal_loss_without_its_exponent_is_cross_entropy():
    logits, mask = torch.randn(3, 1, 4, 4), (torch.rand(3, 1, 4, 4) > 0.5).float()
    expected = F.binary_cross_entropy_with_logits(logits, mask)
    assert torch.allclose(blocks.focal(logits, mask, 0), expected)
    assert blocks.focal(logits, mask, 2) < expected


def test_riad_never_sees_what_it_paints():
    torch.manual_seed(0)
    net, x = blocks.Hourglass(1, 1, skip=True).eval(), torch.from_numpy(surfaces(1)[0])[None, None]
    masks = reconstructing.disjoint(SIDE, 4, torch.Generator().manual_seed(0))
    assert torch.equal(masks.sum(0), torch.ones_like(masks[0]))
    changed = torch.where(masks[:1] > 0, -x, x)
    with torch.no_grad():
        before, after = (reconstructing.painted(net, image, masks) for image in (x, changed))
    assert torch.equal(before[masks[:1] > 0], after[masks[:1] > 0]) and not torch.equal(before, after)


def test_what_learns_in_bfloat16_answers_in_float32_and_is_asked_in_it():
    x = torch.from_numpy(np.stack(surfaces(2)))[:, None]
    nets = []
    for learns_in in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        nets.append(blocks.Hourglass(1, 1, skip=True, learns_in=learns_in).train())
    exact, rough = (net(x) for net in nets)
    assert exact.dtype == rough.dtype == torch.float32
    assert not torch.equal(exact, rough) and torch.allclose(exact, rough, atol=0.05)
    assert torch.equal(*(net.eval()(x) for net in nets))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_systems_learn_in_the_precision_that_the_settings_name(given, precision, monkeypatch):
    seen, autocast = [], blocks.autocast
    monkeypatch.setattr(blocks, "autocast", lambda device, dtype: seen.append(dtype) or autocast(device, dtype))
    training = {**given.settings["training"], "precision": precision}
    reconstructing.fit_l2(replace(given, settings={**given.settings, "training": training}))
    assert set(seen) == {getattr(torch, precision)}


def test_artificial_defects_change_their_mask_alone():
    rng = np.random.default_rng(1)
    x = surfaces(1)[0]
    made = [artificial.blended(x, rng) for _ in range(40)]
    assert all(np.array_equal(image[~mask], x[~mask]) for image, mask in made)
    assert 8 <= sum(mask.any() for _, mask in made) <= 32  # about a half stays as it is
    assert all(np.abs(image).max() <= 1 for image, _ in made)
    for scar in (False, True):
        pasted = artificial.cut_paste(x, rng, scar)
        assert 0 < (pasted != x).mean() < 0.5 and np.abs(pasted).max() <= 1


def test_codes_are_the_nearest_and_wrong_ones_lie_inside_the_mask():
    torch.manual_seed(0)
    vq, z = dsr.Quantised(), torch.randn(2, dsr.CODE, 4, 4)
    quantised = vq.quantise(z)
    nearest = NearestNeighbors(n_neighbors=1).fit(vq.book.detach().numpy())
    expected = nearest.kneighbors(z.permute(0, 2, 3, 1).reshape(-1, dsr.CODE).numpy())[1][:, 0]
    assert torch.equal(quantised.permute(0, 2, 3, 1).reshape(-1, dsr.CODE), vq.book[expected])
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :2] = 1
    disturbed = vq.disturbed(z, mask, torch.Generator().manual_seed(0))
    assert torch.equal(disturbed[:, :, 2:], quantised[:, :, 2:])
    assert not torch.eq(disturbed[:, :, :2], quantised[:, :, :2]).all(1).any()  # none of them is the right one


def test_an_extractor_that_is_held_stays_nearer_to_what_it_was(given):
    from radarlib.extractor import cosine_map

    x_hats = given.stack.flip(-1) * 0.5
    moved = []
    for held in (0.0, 10.0):
        extractor, losses = diffusing.adapted(replace(given, steps=100), given.stack, x_hats, held, "test")
        with torch.inference_mode():
            both = [each.fine_maps(given.stack) for each in (given.extractor, extractor)]
        moved.append(float(cosine_map(*both, 8).mean()))
        assert np.isfinite(losses).all()
    assert 0 < moved[1] < moved[0]


def test_ddad_tunes_on_each_image_beside_another_that_is_drawn_to_it(given, monkeypatch):
    assert sorted(diffusing.partners(9, 0)) == list(range(9))
    assert all(k != other for k, other in enumerate(diffusing.partners(9, 0)))
    assert diffusing.partners(1, 0) == [0]
    image, target = surfaces(2)
    drawn = [diffusing.led_back(image, 250, given.diffusion, w, 1.0, 0, target) for w in (0.0, 3.0)]
    far = [float((x_hat - diffusing.seen(target, given.diffusion)).abs().mean()) for x_hat in drawn]
    assert far[1] < far[0]
    drawn = [diffusing.led_back(image, 250, given.diffusion, 2.0, 1.0, 0, drawn=yes) for yes in (True, True, False)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])  # noise of the image's content
    tuned = []
    monkeypatch.setattr(diffusing, "adapted", lambda *parts: tuned.append(parts) or (given.extractor, []))
    SYSTEMS["ddad"].load()(given)
    _, xs, x_hats, *_ = tuned[0]
    for k, other in enumerate(diffusing.partners(len(given.images), given.seed)):
        image, target = given.images[other], given.images[k]
        assert torch.equal(xs[k], diffusing.seen(target, given.diffusion)[0])
        t, w = diffusing.T_DDAD, diffusing.TUNED_WITH
        led = diffusing.led_back(image, t, given.diffusion, w, 1.0, given.seed, target, drawn=True)
        assert torch.equal(x_hats[k], led[0])


def test_ways_back_begin_as_noisy_as_in_their_papers():
    """On schedules of their own: the noise study's step 200, and D3AD's 80."""
    ours = Schedule(1000, 1e-4, 0.02).alphas_cumprod
    for t, theirs in (
        (diffusing.T_DDPM, Schedule(1000, 1e-4, 0.01).alphas_cumprod[200]),
        (diffusing.T_D3AD, Schedule(1000, 0.0015, 0.0195).alphas_cumprod[80]),
    ):
        assert (ours[t] - theirs).abs() == (ours - theirs).abs().min()


def test_means_of_neighbourhoods_forgive_a_shift_of_features(given):
    x = given.stack[:1]
    own, pooled = (diffusing.differences(x, x.roll(1, -1), given.extractor, way)[1].mean() for way in (False, True))
    assert 0 < pooled < own


def test_systems_that_diffuse_need_a_network(given):
    from radarlib.errors import UserError

    for fit in (draem.fit_diffusionad, diffusing.fit_ddad):
        with pytest.raises(UserError, match="denoiser of whole images"):
            fit(replace(given, denoiser=None))
