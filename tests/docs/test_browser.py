"""The built site in a browser: search, phones, pictures and the console."""

import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytestmark = pytest.mark.slow

PHONE, DESKTOP = (390, 844), (1280, 900)
# A formula or a signature may scroll inside its own box, but the page may not.
WIDTH = "return document.documentElement.scrollWidth"
MISSING_PICTURES = """
return [...document.images].filter(image => {
  image.loading = "eager";
  return image.complete && image.naturalWidth === 0;
}).map(image => image.src)
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Serve the site on a free port: the first part of the addresses of its pages."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=site))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(site):
    """Start a headless browser."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = [os.environ.get("CHROMIUM", ""), "chromium", "google-chrome"]
    binary = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("There is no chromium, or no chromedriver.")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


def resize(browser, size):
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_fit_and_load(browser, address, pages, size):
    resize(browser, size)
    problems = []
    for page in pages:
        browser.get(f"{address}/{page}")
        if (width := browser.execute_script(WIDTH)) > size[0]:
            problems.append(f"{page} is {width} pixels wide")
        problems += [f"{page} lacks {url}" for url in browser.execute_script(MISSING_PICTURES)]
        errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        problems += [f"{page}: {error['message']}" for error in errors]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "words, found",
    [
        ("DeViSEClassifier", "api/generated/skdevise.DeViSEClassifier.html"),
        ("unknown labels", "guide/unknown_labels.html"),
    ],
)
def test_search_finds(browser, address, words, found):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    resize(browser, DESKTOP)
    browser.get(f"{address}/search.html?q={words}")
    results = "#search-results ul.search a"
    WebDriverWait(browser, 20).until(
        lambda browser: any(
            found in link.get_attribute("href")
            for link in browser.find_elements(By.CSS_SELECTOR, results)
        )
    )
