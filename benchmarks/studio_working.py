"""Long work of the studio on a model that writes, while others ask for the page."""

from __future__ import annotations

from benchmarks.studio_real import REVIEW, client, done, subjects
from benchmarks.studio_served import Served


def worked(server: Served, name: str) -> None:
    """Why, by the methods that need no package, and two budgets, one after the other."""
    with client(server) as own:
        subject = subjects(own)[name]["id"]
        methods = ["occlusion", "gradient x input", "rollout"]
        done(own, "why", {"subject": subject, "text": REVIEW, "methods": methods})
        done(own, "spend", {"subject": subject, "text": REVIEW, "fractions": [0.2, 0.5], "policy": "window"})
