"""Notebooks as people use them: opened in JupyterLab, all cells run.

One of them always; all of them where RADARLIB_LAB is set, which takes minutes.
"""

import os
import shutil
import time
from pathlib import Path

import pytest
from browsing import DRIVEN, chromium, served
from conftest import REPOSITORY

EVERY = sorted(path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb"))
CHOSEN = EVERY if os.environ.get("RADARLIB_LAB") else ["18_explorer.ipynb"]

OPEN = """const done = arguments[arguments.length - 1], app = window.jupyterapp;
app.restored.then(() => app.commands.execute('docmanager:open', {path: arguments[0], kernel: {name: 'python3'}}))
    .then(panel => panel.context.ready.then(() => panel.sessionContext.ready))
    .then(() => app.commands.execute('notebook:run-all-cells')).then(() => done('')).catch(e => done(String(e)));"""
STATE = """const panel = window.jupyterapp.shell.currentWidget, cells = panel.content.model.cells, found = [];
for (let k = 0; k < cells.length; k++) { const cell = cells.get(k); if (cell.type != 'code') continue;
    const errors = [];
    for (let j = 0; j < cell.outputs.length; j++) { const data = cell.outputs.get(j).toJSON();
        if (data.output_type == 'error') errors.push(data.ename + ': ' + data.evalue); }
    found.push([cell.executionCount, errors]); }
return [panel.sessionContext.session.kernel.status, found];"""


@pytest.fixture(scope="module")
def lab(smoke, tmp_path_factory):
    """JupyterLab in a finished copy of the study."""
    where = shutil.copytree(smoke, tmp_path_factory.mktemp("lab") / "w", copy_function=shutil.copy2)
    options = ("--no-browser", "--ServerApp.token=", "--ServerApp.password=", "--expose-app-in-browser", "--allow-root")
    with served(where, "jupyterlab", *options) as address:
        yield address


@pytest.mark.smoke
@pytest.mark.skipif(not DRIVEN, reason="needs chromium, chromedriver and selenium")
@pytest.mark.parametrize("name", CHOSEN)
def test_all_cells_run_in_jupyterlab(lab, name):
    with chromium(1400, 1000) as browser:
        browser.set_script_timeout(300)
        browser.get(f"{lab}/lab/workspaces/{Path(name).stem}?reset")
        for _ in range(120):
            if browser.execute_script("return Boolean(window.jupyterapp)"):
                break
            time.sleep(0.5)
        assert browser.execute_async_script(OPEN, f"notebooks/{name}") == ""
        for _ in range(600):
            status, cells = browser.execute_script(STATE)
            if status == "idle" and all(count for count, _ in cells):
                break
            time.sleep(0.5)
        assert [errors for _, errors in cells if errors] == [] and all(count for count, _ in cells), cells
        if folder := os.environ.get("RADARLIB_SHOTS"):
            browser.save_screenshot(str(Path(folder) / f"{Path(name).stem}.png"))
