"""Makes the pictures of docs/tensorboard.md: trains three runs and photographs TensorBoard's tabs.

    apt-get install chromium chromium-driver
    python docs/make_pictures.py --data_dir=../shared/data

Needs MovieLens 100K, chromium and chromedriver, which is spoken to over its own protocol.
"""

import base64
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from absl import app, flags
from PIL import Image

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named data sets")
OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", str(Path(__file__).with_name("pictures")), "where the pictures go"
)

ROOT = Path(__file__).resolve().parents[1]
RUNS = {
    "d10-mse": ["--embedding_dim=10"],
    "d32-logistic": ["--embedding_dim=32", "--loss=logistic"],
    "d32-huber": ["--embedding_dim=32", "--loss=huber", "--learning_rate=0.01"],
}
# Seconds in which a tab that has its content is certainly drawn.
_DRAWING = 6
# Elements of TensorBoard hide each other's insides: this finds what lies within any of them.
_FIND_ALL = """
const found = [];
(function search(root) {
  for (const element of root.querySelectorAll('*')) {
    if (element.matches(arguments_[0])) found.push(element);
    if (element.shadowRoot) search(element.shadowRoot);
  }
})(document);
"""


class Browser:
    """A headless chromium, driven through chromedriver; a context manager that ends both."""

    def __init__(self, width: int = 1520, height: int = 900) -> None:
        self._size = f"--window-size={width},{height}"

    def __enter__(self) -> "Browser":
        port = free_port()
        self._url = f"http://localhost:{port}"
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: self._call("GET", "/status")["ready"])
        # the projector draws with WebGL, here in software
        arguments = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-sync"]
        arguments += ["--disable-background-networking", "--disable-component-update"]
        arguments += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", self._size]
        options = {"goog:chromeOptions": {"args": arguments}}
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._url += f"/session/{session['sessionId']}"
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._call("DELETE", "")
        self._driver.terminate()
        self._driver.wait()

    def open(self, url: str) -> None:
        """Goes to a page, leaving the one before for good."""
        for page in ("about:blank", url):
            self._call("POST", "/url", {"url": page})

    def enter_projector(self) -> None:
        """What follows is about the projector's own page, a frame in a frame of its tab."""
        for _ in range(2):
            frame = wait_for(lambda: self.run("return all('iframe')[0]"))
            self._call("POST", "/frame", {"id": frame})
        wait_for(lambda: "Points:" in self.lines())

    def search(self, text: str) -> None:
        """Searches the projector's points by title; a single match is selected at once."""
        self.run("all('#search-box')[0].setValue(arguments[0], false)", text)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that JavaScript returns; `all(selector)` in it finds elements anywhere."""
        prelude = f"const all = (...arguments_) => {{ {_FIND_ALL} return found; }};"
        body = {"script": prelude + script, "args": list(arguments)}
        return self._call("POST", "/execute/sync", body)

    def lines(self) -> list[str]:
        """The pieces of text on the page, those of elements within elements included."""
        return self.run(
            "return all(':not(style):not(script)').flatMap(e => [...e.childNodes])"
            ".filter(n => n.nodeType == 3).map(n => n.data.trim()).filter(text => text)"
        )

    def screenshot(self) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(self._call("GET", "/screenshot"))))

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"].splitlines()[0]) from None


@contextlib.contextmanager
def tensorboard(logdir: str | Path) -> Iterator[str]:
    """The address of a TensorBoard that has read the folder."""
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", f"--port={port}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://localhost:{port}"
        wait_for(lambda: json.load(urllib.request.urlopen(f"{url}/data/runs")))
        yield url
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """What the condition returns, once that is true; connections may be refused until then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        time.sleep(0.5)
    raise TimeoutError(f"waited {seconds} s in vain")


def train(folder: Path) -> None:
    """The runs that the pictures show."""
    for name, settings in RUNS.items():
        command = [sys.executable, ROOT / "train.py", "--dataset=movielens-100k", *settings]
        command += ["--tensorboard=full", f"--run_dir={folder / name}"]
        if DATA_DIR.value:
            command.append(f"--data_dir={os.path.abspath(DATA_DIR.value)}")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def photograph(browser: Browser, url: str) -> Iterator[tuple[str, Image.Image]]:
    """Each picture and its name."""

    def tab(address: str, *content: str) -> Image.Image:
        browser.open(f"{url}/{address}")
        wait_for(lambda: set(content) <= set(browser.lines()))
        time.sleep(_DRAWING)
        return browser.screenshot()

    tags = "loss%7Cnorm%7C%5Ermse"
    tab(f"?tagFilter={tags}&smoothing=0#timeseries", "gradient_norm")
    browser.run("all('button').find(button => button.textContent.includes('Settings')).click()")
    time.sleep(_DRAWING)
    yield "scalars", browser.screenshot()
    tab("#hparams", "Trial ID", "embedding_dim")
    for setting in ("bias_regularization", "init_stddev", "learning_rate"):
        browser.run(
            "all('paper-checkbox').find(box => box.textContent.trim() == arguments[0]).click()",
            setting,
        )
    time.sleep(_DRAWING)
    yield "hparams", browser.screenshot()
    yield "histograms", tab("#histograms", "item_embedding")
    yield "calibration", tab("#images", "calibration")

    tab("#projector")
    browser.enter_projector()
    browser.run("all('vz-projector-data-panel')[0].selectedColorOptionName = 'genre'")
    browser.search("Star Wars")
    wait_for(lambda: "Nearest points in the original space:" in browser.lines())
    time.sleep(_DRAWING)
    yield "projector", browser.screenshot()


def main(_: list[str]) -> None:
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            sys.exit(f"{program} is not installed")
    pictures = Path(OUTPUT_DIR.value)
    pictures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        with tensorboard(folder) as url, Browser() as browser:
            for name, picture in photograph(browser, url):
                path = pictures / f"tensorboard-{name}.png"
                picture.convert("RGB").quantize(128).save(path, optimize=True)
                print(path, path.stat().st_size)


if __name__ == "__main__":
    app.run(main)
