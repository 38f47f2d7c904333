import numpy as np
import pytest
import torch

from radarlib import train as training
from radarlib.config import merge
from radarlib.denoiser import Denoiser
from radarlib.train import Trainer, train


def weights(denoiser: Denoiser) -> torch.Tensor:
    return torch.cat([p.detach().ravel() for p in denoiser.net.parameters()])


def test_two_trainings_with_one_seed_are_equal_bit_for_bit(images, settings, tmp_path):
    first, second = (train(images, settings, 3, tmp_path / name) for name in "ab")
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(train(images, settings, 4, tmp_path / "c")))


@pytest.mark.parametrize("killed_at", [1, 7])
def test_killed_and_resumed_equals_uninterrupted(images, settings, tmp_path, monkeypatch, killed_at):
    whole = train(images, settings, 0, tmp_path / "whole")
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)  # a checkpoint after every step
    original = Trainer.train_step

    def dies(self):
        if self.step == killed_at:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(Trainer, "train_step", dies)
    with pytest.raises(KeyboardInterrupt):
        train(images, settings, 0, tmp_path / "killed")
    steps = []
    monkeypatch.setattr(Trainer, "train_step", lambda self: (steps.append(self.step), original(self))[1])
    resumed = train(images, settings, 0, tmp_path / "killed")
    assert steps[0] == killed_at, "it did not continue where it was killed"
    assert torch.equal(weights(resumed), weights(whole))
    assert (tmp_path / "killed/loss.csv").read_bytes() == (tmp_path / "whole/loss.csv").read_bytes()
    assert not (tmp_path / "killed/checkpoint.safetensors").exists()


def test_a_checkpoint_that_is_cut_off_is_no_end(images, settings, tmp_path, capsys):
    trainer = Trainer(images, settings, 0)
    trainer.train_step()
    trainer.save(tmp_path / "checkpoint")
    data = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(data[: len(data) // 2])
    assert not Trainer(images, settings, 0).resume(tmp_path / "checkpoint")
    assert "checkpoint: damaged; the training begins anew" in capsys.readouterr().err


def test_a_checkpoint_of_other_settings_or_images_is_not_continued(images, settings, tmp_path):
    trainer = Trainer(images, settings, 0)
    trainer.train_step()
    trainer.save(tmp_path / "checkpoint")
    assert Trainer(images, settings, 0).resume(tmp_path / "checkpoint")
    assert not Trainer(images, settings, 1).resume(tmp_path / "checkpoint")
    assert not Trainer(images[1:], settings, 0).resume(tmp_path / "checkpoint")
    assert not Trainer(images, {**settings, "training": {**settings["training"], "lr": 0.5}}, 0).resume(
        tmp_path / "checkpoint"
    )


@pytest.mark.parametrize("damage", ["missing", "weights", "facts"])
def test_a_finished_training_that_is_damaged_is_done_again(images, settings, tmp_path, capsys, damage):
    whole = train(images, settings, 0, tmp_path)
    file = tmp_path / ("model.json" if damage == "facts" else "model.safetensors")
    file.unlink() if damage == "missing" else file.write_bytes(file.read_bytes()[:-9])
    assert torch.equal(weights(train(images, settings, 0, tmp_path)), weights(whole))
    assert "it is trained again" in capsys.readouterr().err
    assert torch.equal(weights(Denoiser.load(tmp_path)), weights(whole))


def test_what_another_code_has_trained_is_trained_again(images, settings, tmp_path, monkeypatch):
    train(images, settings, 0, tmp_path)
    steps, original = [], Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", lambda self: (steps.append(self.step), original(self))[1])
    train(images, settings, 0, tmp_path)
    assert not steps
    monkeypatch.setattr(training, "module_digest", lambda name: "another")
    train(images, settings, 0, tmp_path)
    assert steps[0] == 0 and len(steps) == settings["training"]["steps"]


def test_training_learns_to_predict_noise(settings):
    settings["training"] |= {"steps": 150, "lr": 0.003, "batch": 16}
    flat = [np.full((16, 16), 0.5, np.float32)]
    trainer = Trainer(flat, settings, 0)
    losses = [trainer.train_step() for _ in range(150)]
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])


def test_the_average_of_the_weights_is_what_is_kept(images, settings, tmp_path):
    trainer = Trainer(images, settings, 0)
    start = weights(Denoiser.untrained(settings, 0))
    for _ in range(settings["training"]["steps"]):
        trainer.train_step()
    kept = weights(train(images, settings, 0, tmp_path))
    assert torch.equal(kept, torch.cat([p.detach().ravel() for p in trainer.ema.parameters()]))
    last = torch.cat([p.detach().ravel() for p in trainer.net.parameters()])
    assert 0 < (kept - start).norm() < (last - start).norm()


def test_t_is_drawn_up_to_t_max(settings, images, monkeypatch):
    def losses(t_max: int | None) -> list[float]:
        trainer = Trainer(images, merge(settings, {"training": {"t_max": t_max}}), 0)
        seen = []
        forward = trainer.net.forward
        monkeypatch.setattr(trainer.net, "forward", lambda x, t: seen.append(int(t.max())) or forward(x, t))
        found = [trainer.train_step() for _ in range(20)]
        assert max(seen) <= (t_max or 1000)
        return found

    assert losses(None) == losses(1000) != losses(5)


def test_a_model_fitted_before_t_max_was_a_parameter_is_trained_on(settings, images):
    del settings["training"]["t_max"]
    assert Trainer(images, settings, 0).t_max == 1000
