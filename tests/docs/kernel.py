"""Runs cells in a real notebook kernel and prints what they print: `python kernel.py CELL CELL …`."""

from __future__ import annotations

import sys
from typing import Any

from jupyter_client.manager import start_new_kernel


def run_cells(cells: list[str]) -> str:
    """What the last cell printed, and the value that it ended with. Raises RuntimeError where a cell fails."""
    manager, client = start_new_kernel(kernel_name="python3")
    printed: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            printed.append(content["text"])
        elif message["msg_type"] == "execute_result":
            printed.append(content["data"]["text/plain"] + "\n")

    try:
        for cell in cells:
            printed.clear()
            reply = client.execute_interactive(cell, timeout=60, output_hook=collect)
            if reply["content"]["status"] != "ok":
                raise RuntimeError("\n".join(reply["content"].get("traceback", [str(reply["content"])])))
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    return "".join(printed)


if __name__ == "__main__":
    sys.stdout.write(run_cells(sys.argv[1:]))
