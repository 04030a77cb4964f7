"""`modelport cache`: what is kept between starts, told, checked and removed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelport.config import resolve

if TYPE_CHECKING:
    from modelport.assembly.entries import Entry

FOLDER = click.option(
    "--cache-dir",
    metavar="FOLDER",
    help="The cache folder; default: the one that serve takes.  [env: MODELPORT_CACHE_DIR]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.group(no_args_is_help=True)
def cache() -> None:
    """Show and remove what is kept between starts: environments of other versions, proofs, compiled models.

    Whatever is removed is built anew when a model needs it, environments with a network. What a running service uses stays.
    """


@cache.command("list")
@FOLDER
@JSON
def list_entries(cache_dir: str | None, as_json: bool) -> int:
    """List everything with its key, its size and when it was last used."""
    folder, found = _found(cache_dir)
    if as_json:
        print(json.dumps({"folder": str(folder), "entries": [_plain(entry) for entry in found]}, indent=2))
        return 0
    _print_table(found)
    print(_total(folder, found))
    return 0


@cache.command("size")
@FOLDER
@JSON
def size_of_entries(cache_dir: str | None, as_json: bool) -> int:
    """Add up the sizes of each kind."""
    from modelport.assembly.entries import KINDS

    folder, found = _found(cache_dir)
    sums = {kind: [entry.size for entry in found if entry.kind == kind] for kind in KINDS}
    if as_json:
        kinds = {kind: {"entries": len(sizes), "bytes": sum(sizes)} for kind, sizes in sums.items()}
        print(json.dumps({"folder": str(folder), "bytes": sum(e.size for e in found), **kinds}, indent=2))
        return 0
    for kind, sizes in sums.items():
        print(f"{kind:12} {len(sizes):5,}  {_told_size(sum(sizes)):>9}")
    print(_total(folder, found))
    return 0


@cache.command("remove")
@click.argument("keys", nargs=-1)
@click.option("--environments", is_flag=True, help="All native environments.")
@click.option("--proofs", is_flag=True, help="All proofs.")
@click.option("--compiled", is_flag=True, help="All compiled models.")
@click.option("--starts", is_flag=True, help="All that is remembered of the last starts.")
@click.option("--unfinished", is_flag=True, help="What builds that were cut short have left.")
@click.option("--all", "everything", is_flag=True, help="All of these.")
@click.option(
    "--unused-for",
    metavar="DAYS",
    type=click.FloatRange(0),
    default=0.0,
    help="Of what is chosen, what nobody has needed for so many days.  [default: 0]",
)
@FOLDER
@JSON
def remove_entries(
    keys: tuple[str, ...], everything: bool, unused_for: float, cache_dir: str | None, as_json: bool, **kinds: bool
) -> int:
    """Remove entries by KEYS (or their first characters), by kind, or all of them. What is in use stays, and is named."""
    from modelport.assembly import entries as kept

    wanted = [kind for kind in kept.KINDS if everything or kinds.get(_OPTIONS[kind])]
    if not keys and not wanted:
        raise click.UsageError(
            "say what to remove: keys, --environments, --proofs, --compiled, --starts, --unfinished or --all."
        )
    folder, found = _found(cache_dir)
    picked = kept.chosen(found, keys, wanted, unused_for)
    gone, left = _remove(picked)
    if as_json:
        print(json.dumps({"removed": [_plain(e) for e in gone], "in_use": [_plain(e) for e in left]}, indent=2))
        return 0
    for entry in left:
        print(f"in use, and left: {entry.kind} {entry.key} ({entry.what})")
    print(f"removed {_counted(gone)} ({_told_size(sum(entry.size for entry in gone))}) from {folder}")
    return 0


_OPTIONS = {
    **{"environment": "environments", "proof": "proofs", "compiled": "compiled", "start": "starts"},
    "unfinished": "unfinished",
}


def _remove(picked: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    from modelport.assembly import entries as kept
    from modelport.errors import ArtifactError

    gone: list[Entry] = []
    left: list[Entry] = []
    for entry in picked:
        try:
            (gone if kept.remove(entry) else left).append(entry)
        except OSError as error:
            raise ArtifactError(f"{entry.path} cannot be removed: {error.strerror or error}") from None
    return gone, left


@cache.command("check")
@FOLDER
@JSON
def check_entries(cache_dir: str | None, as_json: bool) -> int:
    """Hold each file of each environment against the digest in the wheel that it came in. Exit code 1 where one differs."""
    from modelport.assembly.entries import ENVIRONMENT, changed_files

    _, found = _found(cache_dir)
    changed = {entry: changed_files(entry.path) for entry in found if entry.kind == ENVIRONMENT}
    if as_json:
        told = [{**_plain(entry), "changed": files} for entry, files in changed.items()]
        print(json.dumps({"environments": told}, indent=2))
    for entry, files in () if as_json else changed.items():
        count = f"{len(files):,} files differ" if len(files) > 1 else "1 file differs"
        state = f"{count}, {files[0]} first: modelport cache remove {entry.key}" if files else "ok"
        print(f"{entry.key}  {entry.what}: {state}")
    return int(any(changed.values()))


# -- in common ---------------------------------------------------------------------------------------------------------


def _found(cache_dir: str | None) -> tuple[Path, list[Entry]]:
    from modelport.assembly.entries import entries
    from modelport.assembly.native import cache_folder

    folder = cache_folder(resolve({"cache_dir": cache_dir} if cache_dir else {}))
    return folder, entries(folder)


def _plain(entry: Entry) -> dict[str, Any]:
    kept = {name: getattr(entry, name) for name in ("kind", "key", "what", "size", "used", "in_use")}
    return {**kept, "path": str(entry.path)}


def _print_table(found: list[Entry]) -> None:
    for kind, entry in [("kind", None), *((e.kind, e) for e in found)]:
        cells = ("key", "size", "last used", "") if entry is None else _cells(entry)
        key, size, used, what = cells
        print(f"{kind:12} {key:32} {size:>9}  {used:14} {what}".rstrip())


def _cells(entry: Entry) -> tuple[str, str, str, str]:
    used = "in use" if entry.in_use else _told_age(time.time() - entry.used)
    return entry.key, _told_size(entry.size), used, entry.what


def _told_age(seconds: float) -> str:
    for unit, length in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'s' * (count > 1)} ago"
    return "just now"


def _told_size(size: int) -> str:
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= length:
            return f"{size / length:,.1f} {unit}"
    return f"{size} B"


def _counted(found: list[Entry]) -> str:
    return f"{len(found):,} {'entry' if len(found) == 1 else 'entries'}"


def _total(folder: Path, found: list[Entry]) -> str:
    return f"{_counted(found)}, {_told_size(sum(entry.size for entry in found))}, in {folder}"
