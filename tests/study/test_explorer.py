"""The explorer: what it shows is what the study's own code finds, and a slider that is moved changes it."""

import asyncio
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from browsing import DRIVEN, chromium, served

from radarlib.errors import UserError
from study.explorer import CLOSED, Explorer, Player, Question
from study.session import Session

pytestmark = pytest.mark.smoke


@pytest.fixture
def session(smoke, monkeypatch) -> Session:
    monkeypatch.chdir(smoke / "notebooks")
    return Session("smoke")


def asked(player: Player, **changes: object) -> Question:
    radar = player.session.settings["radar"]
    published = Question(
        "prints",
        player.test("prints")[3],
        "gaussian",
        radar["t"],
        radar["stride"],
        radar["sigma"],
        radar["window"],
        0.05,
    )
    return replace(published, **changes)


def known(player: Player, question: Question) -> None:
    while player.learn(question):
        pass


def test_the_published_question_has_the_published_answer(session):
    player = Player(session)
    question = asked(player)
    answer = player.answer(question)
    stored = session.maps("prints", "radar", 0)[3]
    assert answer.map == pytest.approx(stored.astype(np.float32), rel=2e-3, abs=1e-3)
    table = session.features("prints", "radar", 0).set_index("image")
    row = table.loc[session.data("prints").index["image"][question.position], ["global", "local"]]
    assert answer.features == pytest.approx(row.to_numpy(float), rel=1e-4)
    assert answer.waiting == len(player.normal("prints")) and np.isnan(answer.score)


def test_a_decision_follows_when_normal_images_have_been_asked(session):
    player = Player(session)
    question = asked(player, predictor=CLOSED)
    known(player, question)
    answer = player.answer(question)
    assert answer.waiting == 0 and np.isfinite(answer.score) and len(answer.normal) == len(player.normal("prints"))
    loose = player.answer(replace(question, contamination=0.3))
    assert loose.score == answer.score and loose.threshold < answer.threshold
    other = player.answer(replace(question, blur=3.0))  # needs no new answer of the network
    assert other.waiting == 0 and not np.allclose(other.map, answer.map)
    assert player.answer(replace(question, t=100)).waiting == len(answer.normal)


def test_stored_methods_show_what_lies_there(session):
    player = Player(session)
    assert "ddpm" in player.stored and "radar" not in player.stored
    answer = player.answer(asked(player, predictor="ddpm"))
    assert np.array_equal(answer.map, session.maps("prints", "ddpm", 0)[3].astype(np.float32)) and answer.waiting == 0


def test_a_control_that_is_moved_changes_picture_and_words(session):
    explorer = Explorer(session)
    before, words = bytes(explorer.pictures[1].value), explorer.text.value
    assert before.startswith(b"\x89PNG") and "<svg" in explorer.plane.value
    explorer.controls["blur"].value = 4.0
    assert bytes(explorer.pictures[1].value) != before and explorer.text.value != words
    explorer.controls["set"].value = "tiles"
    assert "in truth: crack" in explorer.text.value
    explorer.controls["predictor"].value = "ddpm"
    assert explorer.controls["t"].disabled and not explorer.controls["contamination"].disabled


def test_what_is_near_is_learned_ahead(session):
    """So that the decision, too, follows a slider that is moved by one."""

    async def play() -> tuple[Explorer, list[int]]:
        explorer = Explorer(session)
        waiting = []
        for _ in range(2):
            await explorer._learning
            times = explorer.controls["t"].options
            explorer.controls["t"].value = times[times.index(explorer.controls["t"].value) + 1]
            waiting.append(explorer.shown.waiting)
        explorer._learning.cancel()
        return explorer, waiting

    explorer, waiting = asyncio.run(play())
    assert waiting == [0, 0] and np.isfinite(explorer.shown.score)


def test_an_answer_that_is_still_to_come_does_not_hide_an_error(session, monkeypatch):
    """It is the answer to what was asked before."""

    async def play() -> str:
        explorer = Explorer(session)

        def refused(_: Question) -> None:
            raise UserError("no such network")

        monkeypatch.setattr(explorer.player, "answer", refused)
        explorer.controls["predictor"].value = "simplex"
        await asyncio.sleep(0.2)
        return explorer.text.value

    assert asyncio.run(play()) == "<p>no such network</p>"


@pytest.mark.skipif(not (DRIVEN and find_spec("voila")), reason="needs chromium, chromedriver, selenium and voila")
def test_in_a_browser_a_slider_that_is_moved_changes_the_picture(smoke):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    with served(smoke, "voila", "notebooks/18_explorer.ipynb", "--no-browser") as address, chromium() as browser:
        browser.get(address)
        shown = WebDriverWait(browser, 180).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".widget-image"))
        before = shown[1].get_attribute("src")
        sliders = browser.find_elements(By.CSS_SELECTOR, ".widget-slider .noUi-handle")
        sliders[3].send_keys(Keys.ARROW_RIGHT * 4)  # the blur
        assert WebDriverWait(browser, 30).until(
            lambda b: b.find_elements(By.CSS_SELECTOR, ".widget-image")[1].get_attribute("src") != before
        )
