"""A real browser, and servers for it to look at."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from conftest import environment_of

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
DRIVEN = bool(BROWSER and DRIVER and find_spec("selenium"))


@contextmanager
def served(where: Path, *command: str) -> Iterator[str]:
    """The address of a Python module's server that runs in `where`; it is told its port by `--port`."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", *command, f"--port={port}"], cwd=where, env=environment_of(where),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(240):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def chromium(width: int = 1200, height: int = 900) -> Iterator[Chrome]:
    """A headless Chromium that is driven by Selenium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=str(DRIVER)))
    try:
        yield browser
    finally:
        browser.quit()
