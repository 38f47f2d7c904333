"""Play with the single step: change what it is asked, and see at once what it answers.

`Player` computes and remembers; `Explorer` is the panel of widgets on it, for JupyterLab and Voilà.
"""

from __future__ import annotations

import asyncio
import html
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import cv2
import ipywidgets as widgets
import numpy as np
from IPython.display import display
from matplotlib import colormaps

from radarlib.datasets import GOOD, drawn
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.methods import closed_form
from radarlib.oneclass import OneClass
from radarlib.radar import Predictor, noise_map, sobel_features
from study.drawing import ANOMALOUS, HEAT, NORMAL
from study.examples import places
from study.methods import METHODS
from study.session import Session

CLOSED = "closed form"
NETWORKS = {"gaussian": "Gaussian noise", "simplex": "simplex noise", "mixture": "mixture noise"}
TIMES = (1, 2, 5, 10, 20, 50, 100, 200, 400)
NORMALS = 16  # normal images that a new question is asked of, too: what is normal at another t must be learned anew
SIDE = 300  # px of a picture on the panel


@dataclass(frozen=True)
class Question:
    """What is asked. predictor : a key of NETWORKS, CLOSED, or a method whose maps are stored, which has no t, stride,
    blur and window of its own here.
    """

    set: str
    position: int
    predictor: str
    t: int
    stride: int
    blur: float
    window: int
    contamination: float

    @property
    def stored(self) -> bool:
        return self.predictor in METHODS


@dataclass(frozen=True)
class Answer:
    """map : (H, W). features : (k,) of the image, and normal (n, k) of normal ones. waiting : of these, how many are
    still to be asked; there is a decision when none is.
    """

    map: np.ndarray
    features: np.ndarray
    normal: np.ndarray
    waiting: int
    score: float = np.nan
    threshold: float = np.nan

    @property
    def flagged(self) -> bool:
        return bool(self.score > self.threshold)


class Player:
    """Answers questions from what the workflow has left, or by asking a network anew; what it has seen it remembers."""

    def __init__(self, session: Session):
        self.session, self.seed = session, session.seeds[0]
        self._noise: dict[tuple, np.ndarray] = {}
        self._predictor = lru_cache(16)(self._loaded)
        self._decision = lru_cache(64)(self._fitted)
        self._stored_maps = lru_cache(8)(lambda name, method: session.maps(name, method, self.seed))

    @cached_property
    def stored(self) -> list[str]:
        """Methods, besides the single step, of which every set has maps."""
        folder = self.session.root / "results" / self.session.profile
        return [
            name
            for name, method in METHODS.items()
            if not method.control and "radar" not in name
            if all((folder / s / f"seed{self.seed}" / name / "maps.npz").is_file() for s in self.session.sets)
        ]

    def test(self, name: str) -> list[int]:
        return self.session.data(name).where("test")

    def normal(self, name: str) -> list[int]:
        """Positions of the normal training images that a question is asked of."""
        return list(drawn(np.array(self.session.data(name).where("train")), NORMALS, self.seed))

    def _loaded(self, name: str, kind: str) -> Predictor:
        if kind == CLOSED:
            return closed_form.fit(self.session.data(name).train_images, self.session.settings, self.seed)
        folder = self.session.path(name, f"seed{self.seed}", "models", kind, "model.safetensors").parent
        return Denoiser.load(folder, self.session.settings["compute"]["device"])

    def _asked(self, question: Question, position: int) -> np.ndarray:
        """The noise map of an image of the question's set; asked once."""
        key = self._key(question, position)
        if key not in self._noise:
            batch = self.session.settings["compute"]["inference_batch"]
            image, predictor = self.session.data(question.set).images[position], self._predictor(*key[:2])
            self._noise[key] = noise_map(image, predictor, question.t, question.stride, self.seed, batch)
        return self._noise[key]

    @staticmethod
    def _key(question: Question, position: int) -> tuple:
        """What a noise map depends on."""
        return question.set, question.predictor, question.t, question.stride, position

    def _features(self, question: Question, position: int) -> tuple[np.ndarray, np.ndarray]:
        options = {**self.session.settings["radar"], "sigma": question.blur, "window": question.window}
        found, features = sobel_features(self._asked(question, position), options)
        return found, np.array(list(features.values()))

    def _missing(self, question: Question) -> list[int]:
        return [i for i in self.normal(question.set) if self._key(question, i) not in self._noise]

    def learn(self, question: Question) -> int:
        """Ask one more normal image; how many are left."""
        if question.stored or not (missing := self._missing(question)):
            return 0
        self._asked(question, missing[0])
        return len(missing) - 1

    def answer(self, question: Question) -> Answer:
        """What is known by now: the image's own map and features at once, the decision when normal ones are known."""
        if question.stored:
            found = self._from_disk(question)
        else:
            missing = self._missing(question)
            seen = [i for i in self.normal(question.set) if i not in missing]
            s, features = self._features(question, question.position)
            normal = np.array([self._features(question, i)[1] for i in seen]).reshape(-1, len(features))
            found = Answer(s, features, normal, len(missing))
        if found.waiting or len(found.normal) < 2:
            return found
        decision = self._decision(found.normal.tobytes(), found.normal.shape)
        threshold = decision.threshold_at(question.contamination)
        return replace(found, score=float(decision.score(found.features[None])[0]), threshold=threshold)

    def _fitted(self, normal: bytes, shape: tuple[int, int]) -> OneClass:
        options = self.session.settings["decision"]
        return OneClass(trees=options["trees"], seed=self.seed).fit(np.frombuffer(normal).reshape(shape))

    def _from_disk(self, question: Question) -> Answer:
        name, data = question.set, self.session.data(question.set)
        place = places(data)[question.position]
        table = self.session.features(name, question.predictor, self.seed).set_index("image")
        columns = [column for column in table if column not in ("split", "defect")]
        own = table.loc[data.index["image"][question.position], columns].to_numpy(float)
        normal = table.loc[table["split"] == "train", columns].to_numpy(float)
        return Answer(self._stored_maps(name, question.predictor)[place].astype(np.float32), own, normal, 0)


def _png(rgb: np.ndarray, mask: np.ndarray | None) -> bytes:
    """An image (H, W, 3) in [0, 1] as it is shown, with the outline of a defect."""
    scale = SIDE / max(rgb.shape[:2])
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    large = cv2.resize((255 * rgb[..., ::-1]).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    if mask is not None:
        filled = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(large, outlines, -1, (0, 94, 213), 1)
    return cv2.imencode(".png", large)[1].tobytes()


def _plane(answer: Answer) -> str:
    """Normal images and this one by their first two features, on logarithmic axes, as SVG."""
    every = np.log10(np.maximum(np.vstack([answer.normal, answer.features])[:, :2], 1e-12))
    across, up = "global norm (log)", "largest local norm (log)"
    if every.shape[1] == 1:  # of one feature: a line
        every, across, up = np.hstack([every, np.zeros_like(every)]), "its feature (log)", ""
    low, high = every.min(0) - 0.05, every.max(0) + 0.05
    places = 20 + (SIDE - 40) * (every - low) / (high - low)
    circle = '<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}"/>'
    drawn_dots = "".join(circle.format(x, SIDE - y, 3, "#888") for x, y in places[:-1])
    colour = "#888" if answer.waiting else ANOMALOUS if answer.flagged else NORMAL
    return (
        f'<svg width="{SIDE}" height="{SIDE}" role="img" aria-label="Features of this image among normal ones">'
        f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="#bbb"/>{drawn_dots}'
        f"{circle.format(places[-1, 0], SIDE - places[-1, 1], 6, colour)}"
        f'<text x="{SIDE / 2}" y="{SIDE - 4}" font-size="11" text-anchor="middle" fill="currentColor">{across}</text>'
        f'<text x="11" y="{SIDE / 2}" font-size="11" text-anchor="middle" fill="currentColor"'
        f' transform="rotate(-90 11 {SIDE / 2})">{up}</text></svg>'
    )


class Explorer:
    """The panel. `shown` is the answer that it shows."""

    def __init__(self, session: Session):
        self.player, radar = Player(session), session.settings["radar"]
        wide = {"style": {"description_width": "8em"}, "layout": widgets.Layout(width="25em")}
        predictors = {**{label: key for key, label in NETWORKS.items()}, "closed form, no network": CLOSED}
        stored = {f"{METHODS[name].label} (stored)": name for name in self.player.stored}
        share = session.settings["decision"]["contamination"]
        steps, side = session.settings["diffusion"]["steps"], session.settings["training"]["patch"]
        times = sorted({*(t for t in TIMES if t <= steps), radar["t"]})
        self.controls = {
            "set": widgets.Dropdown(options=session.sets, description="set", **wide),
            "position": widgets.SelectionSlider(options=[0], description="image", **wide),
            "predictor": widgets.Dropdown(options={**predictors, **stored}, description="method", **wide),
            "t": widgets.SelectionSlider(options=times, value=radar["t"], description="t", **wide),
            "stride": widgets.IntSlider(radar["stride"], 4, side, description="stride", **wide),
            "blur": widgets.FloatSlider(value=radar["sigma"], min=0, max=5, step=0.25, description="blur, px", **wide),
            "window": widgets.IntSlider(radar["window"], 2, 64, 2, description="window, px", **wide),
            "contamination": widgets.FloatSlider(
                value=share, min=0, max=0.3, step=0.01, description="contamination", **wide
            ),
        }  # fmt: skip
        self.pictures = [widgets.Image(format="png", width=SIDE), widgets.Image(format="png", width=SIDE)]
        self.plane, self.text = widgets.HTML(), widgets.HTML()
        self.shown: Answer | None = None
        self._busy = True
        self._learning: asyncio.Task | None = None
        self._choose_images()
        self.controls["set"].observe(lambda _: self._choose_images(), "value")
        for name, control in self.controls.items():
            if name != "set":
                control.observe(lambda _: self.update(), "value")

    def _choose_images(self) -> None:
        name = self.controls["set"].value
        data = self.player.session.data(name)
        options = [(f"{k + 1}: {data.index['defect'][i]}", i) for k, i in enumerate(self.player.test(name))]
        first = next((i for _, i in options if data.index["defect"][i] != GOOD), options[0][1])
        slider, self._busy = self.controls["position"], True  # its options change before its value does
        slider.options = options
        slider.value, self._busy = first, False
        self.update()

    @property
    def question(self) -> Question:
        return Question(**{name: control.value for name, control in self.controls.items()})

    def update(self) -> None:
        """Show what is known at once, and learn the rest, and what is near, while nobody asks anything else."""
        if self._busy:
            return
        question = self.question
        if self._learning:
            self._learning.cancel()
        for name in ("t", "stride", "blur", "window"):
            self.controls[name].disabled = question.stored
        try:
            self._show(self.player.answer(question))
        except UserError as error:
            self.text.value = f"<p>{html.escape(str(error))}</p>"
            return
        try:
            self._learning = asyncio.get_running_loop().create_task(self._learn(question))
        except RuntimeError:  # a notebook that runs without a person
            while self.player.learn(question):
                pass
            self._show(self.player.answer(question))

    async def _learn(self, question: Question) -> None:
        left = self.shown.waiting if self.shown else 0
        while left:
            left = self.player.learn(question)
            self.text.value = f"<p>asking normal images: {left} left</p>"
            await asyncio.sleep(0.001)
        self._show(self.player.answer(question))
        for near in self._near(question):
            while self.player.learn(near):
                await asyncio.sleep(0.001)

    def _near(self, question: Question) -> list[Question]:
        """What a slider asks that is moved by one: learned ahead, the decision follows at once."""
        times, strides = self.controls["t"].options, self.controls["stride"]
        near = []
        for key, values in (("t", times), ("stride", range(strides.min, strides.max + 1))):
            k = values.index(getattr(question, key))
            near += [replace(question, **{key: v}) for v in (*values[k + 1 : k + 2], *values[max(k - 1, 0) : k])]
        return near

    def _show(self, answer: Answer) -> None:
        self.shown, data, i = answer, self.player.session.data(self.question.set), self.question.position
        mask, image = data.masks[i], (data.images[i] + 1) / 2
        gray = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
        heat = colormaps[HEAT](answer.map / max(float(answer.map.max()), 1e-12))[..., :3]
        for picture, rgb in zip(self.pictures, (gray, heat), strict=True):
            picture.value = _png(rgb.clip(0, 1), mask)
        self.plane.value, self.text.value = _plane(answer), self._words(answer, data.index["defect"][i])

    def _words(self, answer: Answer, truth: str) -> str:
        features = ", ".join(f"{value:.3g}" for value in answer.features)
        if answer.waiting:
            decision = f"normal images still to be asked: {answer.waiting}"
        else:
            word = "anomalous" if answer.flagged else "normal"
            decision = (
                f"score {answer.score:.3f}, threshold {answer.threshold:.3f} by {len(answer.normal)} normal images:"
                f" <b>{word}</b>"
            )
        return f"<p>features {features}; {decision}; in truth: {html.escape(truth.replace('_', ' '))}</p>"

    def panel(self) -> widgets.Widget:
        box = widgets.Layout(flex_flow="row wrap")
        return widgets.VBox(
            [widgets.Box(list(self.controls.values()), layout=box), self.text,
             widgets.Box([*self.pictures, self.plane], layout=box)]
        )  # fmt: skip

    def show(self) -> None:
        display(self.panel())
