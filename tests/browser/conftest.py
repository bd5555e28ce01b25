"""A real JupyterLab and the system's Chromium, once for all browser tests; skipped without one."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from nbformat import v4

REPOSITORY = Path(__file__).parents[2]
TOKEN = "dreamlab"
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-extensions", "--no-first-run"),
]


def pytest_collection_modifyitems(items):
    def in_browser(item):
        return Path(__file__).parent in item.path.parents

    for item in filter(in_browser, items):
        item.add_marker(pytest.mark.browser)
    # Last, because Playwright keeps an event loop running in this thread until it is closed, and
    # beside a running loop no other test can `asyncio.run`.
    items.sort(key=in_browser)


class Lab:
    """A JupyterLab server in a folder of its own, with settings that ask no questions."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        path = folder / "lab_settings/@jupyterlab/apputils-extension"
        path /= "notification.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        places = {"IPYTHONDIR": "ipython"} | {
            f"JUPYTER{kind}_DIR": kind.strip("_").lower()
            for kind in ("LAB_SETTINGS", "LAB_WORKSPACES", "_CONFIG", "_DATA", "_RUNTIME")
        }
        environment = os.environ | {name: str(folder / place) for name, place in places.items()}
        path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        environment |= {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        self.log = (folder / "server.log").open("w")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *(f"--port={port}", "--ip=127.0.0.1", f"--notebook-dir={self.notebooks}"),
                *(f"--IdentityProvider.token={TOKEN}", "--expose-app-in-browser"),
                *("--LabApp.extension_manager=readonly", "--ServerApp.disable_check_xsrf=True"),
            ],
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        for _ in range(1800):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/api?token={TOKEN}", timeout=2)
                return
            except OSError:
                time.sleep(0.1)
        self.close()
        pytest.fail("JupyterLab did not start:\n" + (folder / "server.log").read_text()[-3000:])

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook with these code cells; returns its name."""
        spec = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = v4.new_notebook(cells=[*map(v4.new_code_cell, cells)], metadata=spec)
        (self.notebooks / name).write_text(json.dumps(notebook))
        return name


class Notebook:
    """A notebook that is open in the browser, with its panel."""

    def __init__(self, lab: Lab, page, name: str) -> None:
        self.lab, self.page, self.name = lab, page, name
        page.set_default_timeout(180_000)  # ms; a busy machine is no reason to fail
        page.goto(f"{lab.url}/lab/workspaces/{Path(name).stem}/tree/{name}?token={TOKEN}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=180_000)
        page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'",
            timeout=180_000,
        )

    def command(self, name: str) -> None:
        """Have JupyterLab do something, without waiting for it."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def outputs(self, cell: int) -> str:
        """What the cell printed."""
        found = self.page.locator(".jp-Notebook .jp-Cell").nth(cell)
        return found.locator(".jp-OutputArea").inner_text()


# Not for the session: Playwright keeps an event loop running in this thread until it is stopped,
# and `asyncio.run` in a later test would find it.
@pytest.fixture(scope="module")
def chromium():
    """The browser; skips where there is none."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium on this computer (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    server = Lab(tmp_path_factory.mktemp("lab") / "server")
    yield server
    server.close()
