"""Which names are applications, blueprints and routers, and under which prefixes they end up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelport.adopt.project import Project
from modelport.adopt.source import Function, Source, argument, text_of

KINDS = {
    "flask.Flask": "flask",
    "flask.app.Flask": "flask",
    "flask.Blueprint": "blueprint",
    "flask.blueprints.Blueprint": "blueprint",
    "fastapi.FastAPI": "fastapi",
    "fastapi.applications.FastAPI": "fastapi",
    "fastapi.APIRouter": "router",
    "fastapi.routing.APIRouter": "router",
}
APPLICATIONS = ("flask", "fastapi")
_JOINS = {"register_blueprint": "url_prefix", "include_router": "prefix", "mount": "path"}


@dataclass(slots=True)
class App:
    """An application, or a part of one that has routes. `key` is its full name; `factory` the function that makes it."""

    key: str
    kind: str
    source: Source
    call: ast.Call
    variable: str
    factory: str = ""
    prefixes: list[str] = field(default_factory=list)

    @property
    def framework(self) -> str:
        """`flask` or `fastapi`."""
        return "flask" if self.kind in ("flask", "blueprint") else "fastapi"


@dataclass(slots=True)
class Apps:
    """All of them, by key."""

    project: Project
    found: dict[str, App]

    def of(self, source: Source, node: ast.expr) -> App | None:
        """The application that an expression stands for, within the function where it stands."""
        if isinstance(node, ast.Attribute) and node.attr == "router" and (owner := self.of(source, node.value)):
            return owner if owner.kind == "fastapi" else None
        name = node.id if isinstance(node, ast.Name) else ""
        for above in source.above(node):
            if isinstance(above, Function) and name:
                local = self.found.get(f"{source.module}.{above.name}.{name}")
                if local is not None:
                    return local
                if any(a.arg == name for a in above.args.args):
                    return self._passed(source, above, name)
        return self.found.get(self.project.full_name(source, node))

    def _passed(self, source: Source, function: Function, name: str) -> App | None:
        """An application that a function is given: the only one there is, where its callers hand over none other."""
        applications = [app for app in self.found.values() if app.kind in APPLICATIONS]
        named = next(a for a in function.args.args if a.arg == name)
        annotated = KINDS.get(self.project.full_name(source, named.annotation))
        fits = [app for app in applications if annotated in (None, app.kind)]
        return fits[0] if len(fits) == 1 and (annotated or name in ("app", "application", "server")) else None

    @property
    def main(self) -> App | None:
        """The application that is served: one of the entry file first, and there the one called app."""
        entry = self.project.entry.module
        whole = [app for app in self.found.values() if app.kind in APPLICATIONS]
        whole.sort(key=lambda app: (app.source.module != entry, bool(app.factory), app.variable != "app", app.key))
        return whole[0] if whole else None


def find_apps(project: Project) -> Apps:
    """Every application and its parts, with the prefixes under which their routes answer."""
    apps = Apps(project, {app.key: app for source in project for app in _made(project, source)})
    joins = [join for source in project for join in _joined(apps, source)]
    for app in apps.found.values():
        if app.kind in APPLICATIONS:
            app.prefixes = [""]
    for _ in range(6):  # parts of parts, down to a depth that nobody writes
        for whole, part, prefix in joins:
            for above in whole.prefixes:
                path = above + prefix
                if path not in part.prefixes:
                    part.prefixes.append(path)
    return apps


def _made(project: Project, source: Source) -> Iterator[App]:
    for node in ast.walk(source.tree):
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        kind = KINDS.get(project.full_name(source, value.func)) if isinstance(value, ast.Call) else None
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if kind and isinstance(target, ast.Name) and isinstance(value, ast.Call):
                function = source.function_of(node)
                scope = f"{source.module}.{function.name}" if function else source.module
                yield App(f"{scope}.{target.id}", kind, source, value, target.id, function.name if function else "")


def _joined(apps: Apps, source: Source) -> Iterator[tuple[App, App, str]]:
    """Who takes in whom, and under which prefix."""
    for call in source.calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in _JOINS:
            continue
        whole = apps.of(source, call.func.value)
        mounts = call.func.attr == "mount"
        given = argument(call, "app", 1) if mounts else call.args[0] if call.args else None
        part = apps.of(source, given) if given is not None else None
        if whole is None or part is None:
            continue
        constant = apps.project.constant
        prefix = text_of(constant(source, argument(call, _JOINS[call.func.attr], 0 if mounts else None)))
        written = argument(part.call, "url_prefix" if part.kind == "blueprint" else "prefix")
        own = text_of(constant(part.source, written)) or ""
        if part.kind == "blueprint":
            yield whole, part, prefix if prefix is not None else own
        else:
            yield whole, part, (prefix or "") + own
