"""Pages of attention beside each other: file size, and time until the picture is there, in one headless Chromium.

    python -m benchmarks.pages [--smoke]

One small random GPT-2 (12 layers x 12 heads) reads random tokens; bertviz's head view and circuitsvis's attention heads
get its eager weights, `regard.lens.report` what `regard.watch` saw. Each page is opened in a browser process of its own
with the network cut; "there" is the first frame in which the page's own picture is in the document. bertviz asks a CDN
for three scripts: it is opened once as it is, and once with those scripts (from npm) served from this machine's disk.
`--smoke` leaves out 512 and 4,096 tokens. Needs the peers of benchmarks/requirements.txt, a `chromium`, and npm.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import record
from benchmarks.harness import SMOKE, Goal, Report, Rounds
from regard.lens.report import report as write_report
from regard.lens.trace import Trace
from regard.lens.units import Units
from regard.lens.watch import watch

LAYERS, HEADS, LIMIT_S = 12, 12, 60
PAINT_S, PAGE_MB = 2.0, 5.0  # goals, at LONG tokens
SHORT, LONG = (128, 512), 4096
KEPT = 5
OURS = "regard.lens.report"
SCRIPTS = {"require.js": ("requirejs@2.3.6", "package/require.js"),
           "jquery": ("jquery@2.1.0", "package/dist/jquery.min.js"),  # 2.0.0, which it asks for, is not on npm
           "d3": ("d3@5.7.0", "package/dist/d3.min.js")}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """What one pass of the model left: its eager weights (None where they would not fit), and the trace."""

    tokens: tuple[str, ...]
    weights: tuple[torch.Tensor, ...] | None
    trace: Trace


@dataclass(frozen=True)
class Peer:
    """A page: how it is written, what in it is the picture (a selector), and whether its scripts are served."""

    write: Callable[[Subject, Path], None]
    picture: str
    served: bool = False


def ours(subject: Subject, path: Path) -> None:
    write_report(subject.trace, path)


def bertviz(subject: Subject, path: Path) -> None:
    from bertviz import head_view

    _wrapped(path, head_view(list(subject.weights or ()), list(subject.tokens), html_action="return").data)


def circuitsvis(subject: Subject, path: Path) -> None:
    from circuitsvis.attention import attention_heads

    weights = torch.cat([layer[0] for layer in subject.weights or ()])
    # local_src carries its script along; str() would ask a CDN for it
    _wrapped(path, attention_heads(attention=weights, tokens=list(subject.tokens)).local_src)


PEERS = {
    OURS: Peer(ours, ".text [role=option]"),
    "bertviz head_view": Peer(bertviz, "#vis svg rect"),
    "bertviz head_view, its scripts served": Peer(bertviz, "#vis svg rect", served=True),
    "circuitsvis attention_heads": Peer(circuitsvis, "canvas"),
}


def subject(length: int, *, eager: bool) -> Subject:
    """One pass over `length` random tokens. Large initial weights, so that attention is not even."""
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=1000,
        bos_token_id=None,
        eos_token_id=None,
        n_positions=length,
        n_embd=8 * HEADS,
        n_layer=LAYERS,
        n_head=HEADS,
        initializer_range=0.5,
        attn_implementation="eager" if eager else "sdpa",
    )
    model = GPT2Model(config).eval()
    ids = torch.randint(0, 1000, (1, length))
    tokens = tuple(f"t{number}" for number in ids[0].tolist())
    bins = (min(length, 128),) * 2
    with torch.inference_mode(), watch(model, top=8, bins=bins) as seen:
        out = model(ids, output_attentions=eager)
    trace = seen.trace(units=(Units(tokens, "token"),))
    return Subject(tokens, tuple(out.attentions) if eager else None, trace)


def rows(length: int, names: tuple[str, ...], rounds: int, scripts: Path) -> list[dict[str, Any]]:
    """One row a peer: bytes, the times of all rounds, their median; None where no picture came."""
    given = subject(length, eager=names != (OURS,))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / "page.html"
            PEERS[name].write(given, path)
            gc.collect()
            row: dict[str, Any] = {"case": f"{length:,} tokens x {LAYERS} layers x {HEADS} heads", "peer": name}
            row |= {"bytes": path.stat().st_size, **opened(path, PEERS[name], rounds, scripts)}
            found.append(row)
            shown = f"{row['median_s']:8.2f} s" if row["median_s"] is not None else f"nothing: {row['why']}"
            print(f"  {row['case']}: {name:40} {row['bytes'] / 1e6:10.2f} MB {shown}", flush=True)
    return found


def opened(path: Path, peer: Peer, rounds: int, scripts: Path) -> dict[str, Any]:
    """The page opened `rounds` times; one time without a picture is enough to stop."""
    taken: list[float] = []
    asked: list[str] = []
    for _ in range(rounds):
        look = _look(path, peer, scripts)
        asked = look.get("asked", asked)
        if "seconds" not in look:
            return {"median_s": None, "seconds": taken, "asked": asked, "why": look["why"]}
        taken.append(look["seconds"])
    return {"median_s": statistics.median(taken), "seconds": taken, "asked": asked}


def _look(path: Path, peer: Peer, scripts: Path) -> dict[str, Any]:
    order = {"path": str(path), "picture": peer.picture, "scripts": str(scripts) if peer.served else None}
    command = [sys.executable, "-m", "benchmarks.pages", "--look", json.dumps(order)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=LIMIT_S + 30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the browser goes with it: the group is this process's own
        process.communicate()
        return {"why": f"no answer in {LIMIT_S + 30} s"}
    lines = out.decode().splitlines()
    if process.returncode or not lines:
        return {"why": (err.decode().strip().splitlines() or ["the browser ended"])[-1][:200]}
    return dict(json.loads(lines[-1]))


def look(order: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: open a page and say when its picture was there, in seconds from navigation."""
    from playwright.sync_api import Error, Route, sync_playwright

    asked: list[str] = []

    def answer(route: Route) -> None:
        address = route.request.url
        if address.startswith("file://"):
            route.continue_()
            return
        asked.append(address)
        name = next((name for name in SCRIPTS if name in address), None)
        if order["scripts"] and name:
            route.fulfill(path=Path(order["scripts"]) / name, content_type="text/javascript")
        else:
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.route("**/*", answer)
        try:
            page.goto(Path(order["path"]).as_uri(), wait_until="commit", timeout=LIMIT_S * 1e3)
            page.wait_for_selector(order["picture"], state="attached", timeout=LIMIT_S * 1e3)
            frame = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
            found: dict[str, Any] = {"seconds": page.evaluate(frame) / 1e3}
        except Error as error:
            found = {"why": str(error).splitlines()[0].replace(f"{LIMIT_S * 1e3:.0f}ms", f"{LIMIT_S} s")}
        browser.close()
    return {**found, "asked": asked}


def fetch_scripts(folder: Path) -> None:
    """The scripts that bertviz asks a CDN for, from npm."""
    for name, (package, inside) in SCRIPTS.items():
        done = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=folder, capture_output=True, text=True, check=True
        )
        with tarfile.open(folder / done.stdout.strip().splitlines()[-1]) as archive:
            content = archive.extractfile(inside)
            if content is None:
                raise SystemExit(f"{package} has no {inside}")
            (folder / name).write_bytes(content.read())


def _wrapped(path: Path, body: str) -> None:
    path.write_text(f"<!doctype html><html><head><meta charset='utf-8'></head><body>{body}</body></html>", "utf-8")


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("no chromium here; type: sudo apt-get install chromium")
    return found


def main() -> int:
    if sys.argv[1:2] == ["--look"]:
        print(json.dumps(look(json.loads(sys.argv[2]))))
        return 0
    asked, folder = record.start(__doc__)
    smoke = asked == SMOKE
    rounds = Rounds(kept=1 if smoke else min(asked.kept, KEPT), warmup=0)
    pages: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scripts:
        fetch_scripts(Path(scripts))
        for length in SHORT[: 1 if smoke else None]:
            pages += rows(length, tuple(PEERS), rounds.kept, Path(scripts))
        longest = SHORT[0] if smoke else LONG
        if not smoke:
            pages += rows(LONG, (OURS,), rounds.kept, Path(scripts))
    ours_last = next(row for row in reversed(pages) if row["peer"] == OURS)
    report = Report("pages")
    paint = float("nan") if ours_last["median_s"] is None else ours_last["median_s"]
    report.goals += [
        Goal(f"first paint of {longest:,} tokens x {LAYERS} layers x {HEADS} heads", paint, PAINT_S, "s"),
        Goal("size of that page", ours_last["bytes"] / 1e6, PAGE_MB, "MB"),
    ]
    code = record.finish(report, rounds, folder)
    _add(folder / "pages.json", pages)
    return code


def _add(path: Path, pages: list[dict[str, Any]]) -> None:
    """Beside what every benchmark leaves: the rows of pages, and the peers' versions."""
    found = json.loads(path.read_text("utf-8"))
    found["versions"] |= {name: importlib.metadata.version(name) for name in ("bertviz", "circuitsvis")}
    path.write_text(json.dumps({**found, "pages": pages}, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
