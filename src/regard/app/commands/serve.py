"""`regard serve`: a trained run behind HTTP, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(serve)


def serve(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    host: Annotated[str, typer.Option(help="Where to listen; loopback unless you name another.")] = "127.0.0.1",
    batch: Annotated[
        int, typer.Option(min=1, max=1024, help="Items that go through the model together, at most.")
    ] = 16,
    queue: Annotated[int, typer.Option(min=64, help="Items that may wait; beyond it, 429 is answered.")] = 256,
    threads: Annotated[
        int | None, typer.Option(min=1, help="torch's threads. [one for a small model, else all]")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Pages of this origin may ask too; may be given several times.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="After which a request is given up.")] = 30.0,
) -> None:
    """Answer requests with a trained run: as regard predict, over HTTP, many at a time.

    POST /answer; /docs says what is sent, /health and /ready how it is, /metrics what was counted. Ctrl-C or SIGTERM
    ends it, once every accepted request is answered. There is no password: name another host than loopback only behind
    something that asks for one.

    \b
    Examples:
      regard serve runs/sentiment-bilstm
      regard serve runs/sentiment-bilstm --port 9000 --batch 32
      regard serve runs/sentiment-bilstm --origin http://localhost:3000
      curl -H "Content-Type: application/json" -d '{"texts": ["A quiet, lovely film."]}' 127.0.0.1:8000/answer
    """
    from regard.spec.extra import require

    require("fastapi", "uvicorn", "prometheus_client", what="regard serve", extra="serve")
    from regard.app.serving.limits import Limits
    from regard.app.serving.server import Service, listening
    from regard.app.serving.server import serve as run_until_told
    from regard.app.serving.warming import warm
    from regard.train.run import load_run

    screen = Screen()
    service = Service(load_run(run), Limits(batch=batch, queue=queue, seconds=seconds))
    taken = listening(host, port)
    named = f"[{host}]" if ":" in host else host
    where = f"http://{named}:{taken.getsockname()[1]}"
    answered_by = warm(service.answering, threads=threads)
    said = (
        f"{service.run.task.name}: {where}/answer (what to send: {where}/docs); threads: {answered_by}; Ctrl-C ends it"
    )
    run_until_told(service, taken, origins=origin or (), ready=lambda: screen.line(said))
    screen.line(f"stopped: {service.app.accepted:,} requests accepted, {service.app.answered:,} answered")
