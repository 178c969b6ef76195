"""A page in a real browser: Debian's Chromium without a window, driven by selenium."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.common.by import By
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig

from tests.real import chromium

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--window-size=1000,800",
    # Nothing but the page is asked for anything.
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-proxy-server"),
    # As in a container: no graphics card, and little shared memory.
    *("--disable-gpu", "--disable-dev-shm-usage"),
)
PATIENCE = 10.0
GONE = (NoSuchElementException, StaleElementReferenceException)


@dataclass(frozen=True)
class Page:
    """What is open in the browser. `css` names the first element that the selector finds."""

    driver: Remote

    def open(self, url: str) -> None:
        """Go to an address, and wait until it is loaded; raises AssertionError if nothing answers."""
        try:
            self.driver.get(url)
        except WebDriverException as error:
            raise AssertionError(f"{url}: {error.msg}") from None

    def text(self, css: str) -> str:
        """What somebody reads in an element; raises NoSuchElementException if there is none."""
        return self.driver.find_element(By.CSS_SELECTOR, css).text

    def wait(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until `condition()` is true; an element that is not there makes it false, not an error.

        Raises AssertionError when the time is over.
        """
        assert self._within(condition, seconds), f"still not so after {seconds} s; the page reads:\n{self.text('body')}"

    def wait_text(self, css: str, expected: str, seconds: float = PATIENCE) -> None:
        """Wait until an element's text has `expected` in it; raises AssertionError with what it has instead."""
        if not self._within(lambda: expected in self.text(css), seconds):
            raise AssertionError(f"no {expected!r} in {css} after {seconds} s; the page reads:\n{self.text('body')}")

    def fill(self, css: str, text: str) -> None:
        """Type a text into a field, in place of what is there."""
        field = self._present(css)
        field.clear()
        field.send_keys(text)

    def click(self, css: str) -> None:
        """Click on an element, as soon as it is there."""
        self._present(css).click()

    def screenshot(self, path: Path) -> None:
        """Write what is seen to a PNG file."""
        assert self.driver.save_screenshot(str(path)), f"cannot write {path}"

    def _present(self, css: str) -> Any:
        self.wait(lambda: self.driver.find_element(By.CSS_SELECTOR, css).is_displayed())
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def _within(self, condition: Callable[[], object], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return True
            except GONE:
                pass
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page in a browser of its own, with an empty profile below `folder`; both end with the context.

    Installs the browser where there is none; raises NoBrowser, with one sentence, where that does not work.
    """
    program, driver_program = chromium.installed()
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'chromium'}"):
        options.add_argument(flag)
    with chromium.driver(driver_program, folder) as address:
        direct = Proxy({"proxyType": ProxyType.DIRECT})
        driver = Remote(address, options=options, client_config=ClientConfig(address, proxy=direct))
        try:
            yield Page(driver)
        finally:
            driver.quit()
