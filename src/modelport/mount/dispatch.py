"""Which mounted application a path belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from modelport.mount.call import App, Receive, Scope, Send


class Mounts:
    """ASGI: the mounted application with the longest prefix of a path serves it; what has none goes on to `otherwise`."""

    def __init__(self, mounts: Sequence[tuple[str, App]], otherwise: App) -> None:
        self._mounts = sorted(mounts, key=lambda mount: -len(mount[0]))
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
        path = local_path(scope)
        for prefix, app in self._mounts:
            if path == prefix or path.startswith(prefix + "/") or not prefix:
                root = scope.get("root_path", "") + prefix
                return await app({**scope, "root_path": root}, receive, send)
        return await self._otherwise(scope, receive, send)


def local_path(scope: Scope) -> str:
    """The path below the prefix that the application is mounted at."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return (path[len(root) :] or "/") if root and (path == root or path.startswith(root + "/")) else path
