"""Where a compiled model runs that reads text."""

from __future__ import annotations

from modelport.kernel.placement import place
from modelport.kernel.ports import Cost


def test_compiled_models_that_read_text_keep_off_the_loop() -> None:
    assert place(Cost(1000, compiled=True, releases_gil=True)).executor == "inline"
    assert place(Cost(1000, compiled=True, releases_gil=True, reads_text=True)).executor == "process"
    assert place(Cost(1000, compiled=True, releases_gil=True, reads_text=True), "inline").executor == "inline"
