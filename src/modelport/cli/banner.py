"""What `modelport serve` prints when it is ready: where, what, and every decision with its reason."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import modelport

MAX_FIELDS = 12
MAX_EXAMPLE = 4000


def print_banner(event: dict[str, Any], url: str, target: str, workers: tuple[int, str]) -> None:
    """To standard output, flushed, so that a log collector sees it at once. `event`: what a worker said when it was ready."""
    lines = banner_lines(event["models"], url, target, workers, event.get("web"))
    print("\n".join(lines), flush=True, file=sys.stdout)


def banner_lines(
    models: list[dict[str, Any]], url: str, target: str, workers: tuple[int, str], web: dict[str, Any] | None = None
) -> list[str]:
    """The banner, line by line."""
    count, workers_reason = workers
    names = ", ".join(model["name"] for model in models) or Path(target).name
    return [
        "",
        f"  Modelport {modelport.__version__} serves {names} at {url}",
        "",
        f"    docs     {_places(url, web, '/docs', '/redoc', '/openapi.json')}",
        f"    probes   {_places(url, web, '/livez', '/readyz', '/metrics', '/status')}",
        f"    workers  {count} ({workers_reason}), one thread each",
        *web_lines(web),
        *(line for model in models for line in _model_lines(model, url, alone=len(models) == 1)),
        "",
    ]


def _places(url: str, web: dict[str, Any] | None, *paths: str) -> str:
    """Where our pages are: below the prefix of ours, where a route has their path."""
    moved = web["moved"] if web else ()
    return "   ".join(f"{url}{'/_modelport' if path in moved else ''}{path}" for path in paths)


def web_lines(web: dict[str, Any] | None) -> list[str]:
    """What is served beside the models, what of ours made room for it, and what stands in front of the models."""
    if web is None:
        return []
    routes = [f"    routes   {web['routes']}, on an event loop of their own"] if web["routes"] else []
    moved = ", ".join(path for path in web["moved"] if not path.startswith("/_modelport"))
    return [
        *routes,
        *(f"    mounted  {mount}" for mount in web["mounts"]),
        *([f"    moved    {moved}: below /_modelport, since the application answers there"] if moved else []),
        *(
            [f"    guarded  by {', '.join(web['guards'])}: models, too, which costs them the direct path"]
            if web["guards"]
            else []
        ),
    ]


def _model_lines(model: dict[str, Any], url: str, alone: bool) -> list[str]:
    own = f"/models/{quote(model['name'])}/predict"
    path = "/predict" if alone else own
    python = "written in Python, answers item by item" if model.get("streams") else "written in Python"
    what = f"{model['task']}, version {model['version']}" if "task" in model else python
    shape = (
        [f"    input    {_inputs(model['inputs'])}", f"    output   {_outputs(model['outputs'])}"]
        if "inputs" in model
        else []
    )
    example = model.get("example")
    return [
        "",
        f"    model    {model['name']} from {model['from']}: {what}, loaded in {model['seconds']:.2f} s",
        f"    predict  POST {url}{path}" + (f"   POST {url}{own}" if alone else ""),
        *shape,
        f"    runs     {model['placement']}{_threads(model)} ({model['reason']})",
        *(f"    {line}" for line in form_lines(model.get("form", {}))),
        *(f"    note     {note}" for note in model["notes"]),
        *([] if example is None else ["", "    try", f"      {_try(example, url, path, bool(model.get('streams')))}"]),
    ]


def form_lines(form: dict[str, Any]) -> list[str]:
    """Whether compiled code serves, how it was proven and what it gains, or why it does not."""
    if "form" not in form:
        return []
    if form["form"] == "original":
        return [f"original {form['why']}"]
    if "parity" not in form:
        return ["compiled"]
    parity, record, memory = form["parity"], form["record_microseconds"], form.get("memory_bytes", {})
    left_out = f", {parity['left_out']:,} that the original refuses left out" if parity["left_out"] else ""
    gains = [f"one record {record['original']:,.0f} → {record['compiled']:,.0f} µs"]
    if memory.get("original") and memory.get("compiled"):
        gains.append(f"memory {memory['original'] / 1e6:,.0f} → {memory['compiled'] / 1e6:,.0f} MB")
    return [
        f"compiled parity {parity['equal']:,} of {parity['rows']:,} rows{left_out}",
        f"         {', '.join(gains)}",
    ]


def _threads(model: dict[str, Any]) -> str:
    """What numeric libraries were given in the model's own process."""
    return f", {model['threads']} thread{'s' * (model['threads'] > 1)}" if model.get("threads") else ""


def _inputs(inputs: list[dict[str, Any]]) -> str:
    shown = [_field(f) for f in inputs[:MAX_FIELDS]]
    more = [f"… {len(inputs) - MAX_FIELDS} more"] if len(inputs) > MAX_FIELDS else []
    return ", ".join(shown + more)


def _field(f: dict[str, Any]) -> str:
    shape = "×".join("?" if d is None else str(d) for d in f.get("shape", ()))
    kind = f"{f.get('dtype', 'tensor')}[{shape}]" if f["type"] == "tensor" else f["type"]
    return f"{f['name']} {kind}{' or null' if f['nullable'] else ''}{', optional' if f.get('optional') else ''}"


def _outputs(outputs: list[dict[str, Any]]) -> str:
    return ", ".join(_output(o) for o in outputs[:MAX_FIELDS])


def _output(o: dict[str, Any]) -> str:
    classes = o.get("classes", [])
    shown = " | ".join(map(str, classes[:6])) + (" | …" if len(classes) > 6 else "")
    return f"{o['name']} {shown or o['type']}{' with probabilities' if o.get('probabilities') else ''}"


def _try(example: Any, url: str, path: str, streams: bool = False) -> str:
    """A line to copy; where the example is an image, say, the page that has it."""
    body = shlex.quote(json.dumps(example, ensure_ascii=False))
    if len(body) > MAX_EXAMPLE:
        return f"{url}/docs, which is filled in with an example"
    insecure = " -k" if url.startswith("https") else ""
    at_once = " -N" if streams else ""
    return f"curl{at_once}{insecure} {url}{path} -H 'content-type: application/json' -d {body}"
