"""Runs cells in a real notebook kernel: `python kernel.py CELL CELL …` writes a JSON list of what each one printed."""

from __future__ import annotations

import json
import sys
from typing import Any

from jupyter_client.manager import start_new_kernel


def run_cells(cells: list[str]) -> list[str]:
    """What each cell printed, and the value that it ended with. Raises RuntimeError where one fails."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        return [_run_cell(client, cell) for cell in cells]
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def _run_cell(client: Any, cell: str) -> str:
    printed: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            printed.append(content["text"])
        elif message["msg_type"] == "execute_result":
            printed.append(content["data"]["text/plain"] + "\n")

    reply = client.execute_interactive(cell, timeout=60, output_hook=collect)
    if reply["content"]["status"] != "ok":
        raise RuntimeError("\n".join(reply["content"].get("traceback", [str(reply["content"])])))
    return "".join(printed)


if __name__ == "__main__":
    json.dump(run_cells(sys.argv[1:]), sys.stdout)
