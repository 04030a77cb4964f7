"""What is logged, and what is not."""

from __future__ import annotations

import subprocess
import sys


def test_a_damaged_form_writes_no_line_into_the_log() -> None:
    """Else any client could fill it."""
    code = """
import logging
from modelport.observe.log import configure_logging
from modelport.codecs.forms import read_parts
from modelport.errors import InvalidInput
configure_logging("text")
for body in (b"--b\\r\\n\\r\\n1\\r\\n--b--\\r\\nmore", b"--x", b"--b\\r\\n(): 1\\r\\n"):
    try:
        read_parts(body, b"multipart/form-data; boundary=b")
    except InvalidInput:
        pass
logging.warning("the end")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if "the end" not in line] == []
    assert "the end" in done.stderr
