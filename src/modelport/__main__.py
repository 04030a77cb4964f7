"""The command `modelport`, and `python -m modelport`. What signals do is settled first: the imports take a while."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line. Ctrl-C during its imports ends it without a traceback; a SIGHUP does not end a service that starts."""
    hears_interrupts = (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )  # else it was started to ignore them
    if hears_interrupts:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP") and sys.argv[1:2] == ["serve"]:
        signal.signal(
            signal.SIGHUP, signal.SIG_IGN
        )  # until `hangups_noted`; what it asks to be read anew is not read yet
    from modelport.cli.main import main as run_command_line

    if hears_interrupts:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command_line()


if __name__ == "__main__":
    main()
