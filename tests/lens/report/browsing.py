"""What the browser's tests share: traces counted by hand, and a report opened with the network cut."""

from __future__ import annotations

import re

import torch
from tests.lens.report.synthetic import causal_layer

from regard.lens.trace import Trace
from regard.lens.units import Units

HOSTILE = "</script><img src=x onerror=alert(1)>"
N = 40


def sink_weights():
    """Forty tokens, two heads: the first reads itself alone; the second the first key with .75, itself with .25."""
    weights = torch.zeros(1, 2, N, N, dtype=torch.float64)
    weights[0, 0] = torch.eye(N)
    weights[0, 1] = 0.25 * torch.eye(N)
    weights[0, 1, :, 0] += 0.75
    return weights


UNITS = Units(tuple(f"w{i}" for i in range(N)), "token")
SINK = Trace(
    "by hand",
    (causal_layer("model.0.attn", sink_weights(), bins=N), causal_layer("model.1.attn", sink_weights(), bins=N)),
    (UNITS,),
    about={"torch": "2"},
)
SINK_SHARE = (1 + (0.75 * N + 0.25)) / (2 * N)  # of the mass of both heads


class Opened:
    """A report in a page of its own. `asked`: addresses it wanted; `errors`: what its console says."""

    def __init__(self, browser, path, *, width=1440, height=900, dark=False):
        self.asked, self.errors = [], []
        scheme = "dark" if dark else "light"
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.context.route("**/*", self._route)
        self.context.set_offline(True)
        self.context.set_default_timeout(8000)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def _route(self, route):
        if route.request.url.startswith("file://"):
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()

    def settle(self):
        """Until what was changed is on the screen: two frames."""
        frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        self.page.evaluate(frames)

    def text(self, selector):
        self.settle()
        return re.sub(r"\s+", " ", self.page.locator(selector).inner_text()).strip()

    def choose(self, name):
        self.page.locator(".heads li[role=option]").filter(has=self.page.get_by_text(name, exact=True)).click()

    def see(self, kind, value):
        self.page.locator(f"input[name={kind}][value={value}]").check()
        self.settle()

    def word(self, place, stream=0, item=0):
        return self.page.locator(f"[id='u{item}.{stream}.{place}']")
