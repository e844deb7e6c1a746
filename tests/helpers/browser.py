"""A headless Chromium for tests, driven by chromedriver's own protocol (W3C WebDriver) with nothing but the standard library."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

MISSING = "" if shutil.which("chromium") and shutil.which("chromedriver") else "chromium and chromedriver are not installed"
"""Why there is no browser; "" where there is one."""

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class BrowserFailed(Exception):
    """The browser answers with an error."""


class Browser:
    """One session; a page is a file."""

    def __init__(self, address: str, trace: str = "") -> None:
        self.address = address
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options: dict[str, Any] = {"args": arguments, "binary": shutil.which("chromium")}
        logs = {"browser": "ALL"}
        if trace:
            options["perfLoggingPrefs"] = {"traceCategories": trace}
            logs["performance"] = "ALL"
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send one command and return its value."""
        request = Request(self.address + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        try:
            with urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise BrowserFailed(json.load(error)["value"]["message"]) from None

    def do(self, method: str, path: str, body: object = None) -> Any:
        """Send a command of this session."""
        return self.call(method, f"/session/{self.session}{path}", body)

    def open(self, page: Path, width: int = 1280, height: int = 800) -> None:
        """Load a file into a view of that size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.cdp("Emulation.setDeviceMetricsOverride", metrics)
        self.do("POST", "/url", {"url": page.resolve().as_uri()})

    def cdp(self, command: str, parameters: dict[str, Any]) -> Any:
        """Send a command of the browser's own protocol."""
        return self.do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def prefer(self, **features: str) -> None:
        """Emulate what the system prefers, as `prefers_color_scheme="dark"`."""
        listed = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.cdp("Emulation.setEmulatedMedia", {"features": listed})

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a function body returns."""
        return self.do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_later(self, script: str, *arguments: object) -> Any:
        """Return what a function body gives to its last argument."""
        return self.do("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """Return the text of an element as it is shown."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def click(self, selector: str) -> None:
        """Click on an element as a person would."""
        self.do("POST", f"/element/{self._element(selector)}/click", {})

    def type(self, selector: str, keys: str) -> None:
        """Type into an element."""
        self.do("POST", f"/element/{self._element(selector)}/value", {"text": keys})

    def _element(self, selector: str) -> str:
        return str(self.do("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT])

    def settle(self) -> None:
        """Wait until the page is no longer busy, and what was asked for is drawn."""
        self.run_later(
            "const done = arguments[0], drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => done(null)));"
            "const look = () => document.querySelector('[aria-busy=true]') ? setTimeout(look, 10) : drawn(); look()"
        )

    def complaints(self) -> list[str]:
        """Return the errors and warnings of the console since the last call: failed scripts, refused or missing resources."""
        entries = self.do("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

    def picture(self, file: Path) -> None:
        """Write a picture of what is seen."""
        file.write_bytes(base64.b64decode(self.do("GET", "/screenshot")))


@contextmanager
def browser(trace: str = "") -> Iterator[Browser]:
    """Start a driver on a free port, and end it with all that it started; `trace` names categories of Chromium's trace."""
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        found = None
        try:
            found = Browser(f"http://127.0.0.1:{_port(driver)}", trace)
            yield found
        finally:
            if found is not None:
                with suppress(BrowserFailed, OSError):
                    found.do("DELETE", "")
            driver.terminate()


def _port(driver: "subprocess.Popen[str]") -> int:
    """Read the port from what the driver says when it listens."""
    assert driver.stdout is not None
    end = time.monotonic() + 30
    for line in driver.stdout:
        if "started successfully on port" in line:
            return int(line.rsplit("port", 1)[1].strip(" .\n"))
        assert time.monotonic() < end, "chromedriver does not start"
    raise AssertionError("chromedriver ended at once")
