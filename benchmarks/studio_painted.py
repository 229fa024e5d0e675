"""The first picture in a real browser: from the end of the forward pass until the map is painted in the studio's page.

The page asks as it always does; only the body of its request is exchanged, for a file and a number of tokens. The pass
ends when the job tells that its last block is done, which is asked for over HTTP beside the page; the map is painted
when the frame after the one that drew a tile begins. Both are read off this machine's clock.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.studio_real import Asked, client, followed, last_block, subjects
from benchmarks.studio_served import Served

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

_PATIENCE = 400.0  # seconds
_STILL = 0.5  # seconds without a new frame of the map, after which it is whole
# window.painted: when frames began before which tiles were drawn into the map, in milliseconds of the epoch
_WATCH = """(() => {
  const drawn = CanvasRenderingContext2D.prototype.drawImage;
  let under = false;
  window.painted = [];
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    drawn.apply(this, given);
    if (under || !this.canvas.closest(".map")) return;
    under = true;
    requestAnimationFrame(() => {
      under = false;
      window.painted.push(performance.timeOrigin + performance.now());
    });
  };
})()"""


@contextmanager
def _page() -> Iterator[Page]:
    """A page of a headless Chromium of its own."""
    from playwright.sync_api import sync_playwright

    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        raise SystemExit("there is no chromium here; type: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(1e3 * _PATIENCE)
        page.add_init_script("localStorage.setItem('regard.tour', 'seen')")
        page.add_init_script(_WATCH)
        yield page
        browser.close()


def painted(server: Served, asked: Asked) -> dict[str, Any]:
    """A row of figures: of the room Look, from the last block to the first frame with a tile, and to the last one."""
    with client(server) as own, _page() as page:
        body = {"subject": subjects(own)[asked.name]["id"], **asked.given}

        def exchanged(route: Route) -> None:
            route.continue_(post_data=json.dumps(body))

        page.route("**/api/jobs/look", exchanged)
        page.goto(f"{server.address}/#token={server.token}")
        page.wait_for_selector("html[data-ready]")
        form = page.locator("[data-room=look] form")
        form.locator("select").first.select_option(body["subject"])
        form.locator("textarea").first.fill("a text")
        began = time.time()
        with page.expect_response("**/api/jobs/look") as answer:
            form.locator("[type=submit]").click()
        between = time.time() - time.perf_counter()
        job, told = followed(own, answer.value.json()["job"])
        frames = _frames(page)
        look = own.get(f"/api/looks/{job['result']['look']}").json()
    last = last_block(told)
    since = began if last is None else last + between
    return {
        "subject": asked.name,
        "what": asked.what,
        "units": look["units"]["count"],
        "from": "the request" if last is None else "the last block",
        "first_s": round(frames[0] / 1e3 - since, 3),
        "whole_s": round(frames[-1] / 1e3 - since, 3),
    }


def _frames(page: Page) -> Sequence[float]:
    """When the map was painted, each time, once it is painted no more."""
    found, until = list[float](), time.monotonic() + _PATIENCE
    while time.monotonic() < until:  # asked from here: the page's policy evaluates no strings, as waiting in it would
        before, found = len(found), [float(each) for each in page.evaluate("window.painted")]
        if found and len(found) == before:
            return found
        time.sleep(_STILL)
    raise AssertionError(f"the map was not painted, or still is, after {_PATIENCE:.0f} s")
