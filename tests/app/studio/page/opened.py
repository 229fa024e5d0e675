"""The studio's page in a browser with every network but loopback cut: what it asked elsewhere, and what it said."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

AXE = Path(__file__).parents[4] / "web" / "node_modules" / "axe-core" / "axe.min.js"


class Opened:
    """A studio in a page of its own. `asked`: addresses that are not loopback's; `errors`: what its console says."""

    def __init__(self, browser, address, *, width=1280, height=860, dark=False, language="en-US", tour=False):
        self.asked, self.errors = [], []
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale=language,
            accept_downloads=True,
        )
        self.context.route("**/*", self._route)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog {dialog.message}"), dialog.dismiss()))
        if not tour:
            self.page.add_init_script("localStorage.setItem('regard.tour', 'seen')")
        self.page.goto(address)

    def ready(self):
        self.page.wait_for_selector("html[data-ready]")
        return self

    def _route(self, route):
        if urlsplit(route.request.url).hostname == "127.0.0.1" or route.request.url.startswith(("data:", "blob:")):
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
        return re.sub(r"\s+", " ", self.page.locator(selector).first.inner_text()).strip()

    def enter(self, room):
        self.page.locator(f"nav a[href='#{room}']").click()
        self.page.wait_for_selector(f"[data-room={room}]:not([hidden])")

    def room(self, name):
        return self.page.locator(f"[data-room={name}]")

    def focused(self):
        """The focused element: its tag, its name, and whether a ring around it (or its label) is drawn."""
        return self.page.evaluate("""() => {
            const at = document.activeElement;
            const ring = at.matches("input[type=radio]") ? at.closest("label") : at;
            const style = getComputedStyle(ring);
            const name = at.getAttribute("aria-label") ?? (at.innerText || at.closest("label")?.innerText || at.id);
            return [at.tagName, name.trim(), style.outlineStyle !== "none" && style.outlineWidth !== "0px"];
        }""")

    def wider(self):
        """How many pixels the page is wider than its window, and what sticks out of it."""
        return self.page.evaluate("""() => [document.documentElement.scrollWidth - innerWidth,
            [...document.querySelectorAll("main *")].filter((each) =>
                !each.closest(".scroll, [hidden], .frame, .skip") &&
                each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.className || each.tagName)]""")

    def serious(self):
        """What axe-core finds serious or critical: its rule, and the first elements."""
        if not AXE.is_file():
            why = "axe-core is not installed; type: npm ci --prefix web --ignore-scripts"
            pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
        self.settle()
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            (one["id"], [(node["html"][:120], node["failureSummary"][:200]) for node in one["nodes"][:3]])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def close(self):
        self.context.close()
