"""Reads a page of the documentation into blocks.

Every block of code in a page runs. A comment above a block, which no reader sees, says how, where it is not obvious:

    <!-- docs: serve -->             a command that goes on running: a server, up when /readyz is 200
    <!-- docs: serve /v1/readyz -->  the same, with another place to ask
    <!-- docs: file genre.toml -->   the block is the content of a file
    <!-- docs: output -->            text that the last command has printed; `…` stands for anything
    <!-- docs: fails -->             the command ends with an error
    <!-- docs: notebook -->          a cell of one notebook per page
    <!-- docs: run COMMAND -->       another command is run in place of the one shown
    <!-- docs: not run: REASON -->   nothing is run
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(`{3,})(\w*)\s*$")
DIRECTIVE = re.compile(r"^<!-- docs: (serve|file|output|fails|notebook|run|not run)(?:: ?| )?(.*?) ?-->$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and what is to be done with it."""

    page: Path
    line: int
    language: str
    text: str
    directive: str
    argument: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    blocks = []
    lines = page.read_text(encoding="utf-8").splitlines()
    directive = ("", "")
    number = 0
    while number < len(lines):
        line = lines[number]
        if found := FENCE.match(line):
            end = lines.index(found[1], number + 1)
            text = "\n".join(lines[number + 1 : end]) + "\n"
            blocks.append(Block(page, number + 1, found[2], text, *directive))
            directive = ("", "")
            number = end
        elif line.startswith("<!-- docs:"):
            directive = _read_directive(page, number, line)
        number += 1
    return blocks


def _read_directive(page: Path, number: int, line: str) -> tuple[str, str]:
    found = DIRECTIVE.match(line)
    if found is None:
        raise ValueError(f"{page}:{number + 1}: {line} is no directive that tests/docs/pages.py knows")
    return found[1], found[2]
