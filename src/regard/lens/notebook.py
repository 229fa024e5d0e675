"""A report inside a notebook: as a widget where anywidget is installed, and as plain HTML everywhere else.

Either way it is the page that `regard.report` writes, in a frame of its own: its script cannot reach the notebook, and
nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import Any

from regard.lens.report.page import html
from regard.lens.report.payload import pack
from regard.lens.report.picture import Picture, addresses
from regard.lens.trace import Trace
from regard.spec.errors import SpecError
from regard.spec.value import described

HEIGHT = 720
_SANDBOX = "allow-scripts"  # no allow-same-origin: the page's script runs, and sees nothing of what is around it
_MODULE = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.title = "regard report";
  frame.style.cssText = "width: 100%; border: 0";
  const draw = () => {
    frame.style.height = `${model.get("height")}px`;
    frame.srcdoc = model.get("page");
  };
  model.on("change:page", draw);
  model.on("change:height", draw);
  draw();
  el.append(frame);
}
export default { render };
"""


@dataclass(frozen=True)
class Shown:
    """A page as a notebook shows it without any widget. page: the whole HTML file. height: of its frame, in pixels."""

    page: str
    height: int = HEIGHT

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self.height}px; border: 0"
        return (
            f'<iframe sandbox="{_SANDBOX}" title="regard report" style="{style}" srcdoc="{escape(self.page)}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<regard report, {len(self.page) / 1e6:.1f} MB: shown in a notebook>"


def show(
    trace: Trace,
    *,
    title: str | None = None,
    image: Picture | Sequence[Picture] | None = None,
    height: int = HEIGHT,
) -> Any:
    """The report of a trace for the cell of a notebook; the last line of a cell shows it.

        with watch(model, top=8, bins=(64, 64)) as seen:
            model(**inputs)
        show(seen.trace())

    With anywidget (`pip install 'regard[notebook]'`) it is a widget whose `page` can be set anew, say after each epoch:
    `view.page = show(trace).page`. Without it, and where a notebook is only read, it is the same page as plain HTML.

    title, image: as for `regard.report`. height: of the frame, in pixels.

    Raises:
        SpecError: no trace, or a height below 1.
    """
    if not isinstance(trace, Trace):
        raise SpecError(
            f"show({described(trace)}): expected a Trace; seen.trace() gives one after watch(model) as seen"
        )
    if isinstance(height, bool) or not isinstance(height, int) or height < 1:
        raise SpecError(f"height={height!r}: expected pixels, a whole number from 1 up")
    made = pack(trace, title=title or trace.model, images=addresses(image, len(trace.units)))
    shown = Shown(html(made), height)
    return shown if find_spec("anywidget") is None else _widget(shown)


def _widget(shown: Shown) -> Any:
    """The page as a widget that also says itself in plain HTML, for notebooks that are only read."""
    import anywidget
    import traitlets

    class View(anywidget.AnyWidget):  # type: ignore[misc,unused-ignore] # how that library makes widgets
        _esm = _MODULE
        page = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int(HEIGHT).tag(sync=True)

        def _repr_mimebundle_(self, **given: Any) -> Any:
            made = super()._repr_mimebundle_(**given)
            data, *rest = made if isinstance(made, tuple) else (made or {},)
            bundle = {**data, "text/html": Shown(self.page, self.height)._repr_html_()}
            return (bundle, *rest) if rest else bundle

        def __repr__(self) -> str:
            return repr(Shown(self.page, self.height))

    return View(page=shown.page, height=shown.height)
