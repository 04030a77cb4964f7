"""A process that counts: `python -m tests.runtime.board_writer FD SLOT TIMES`; for ever, where TIMES is 0."""

from __future__ import annotations

import sys
from itertools import count

from modelport.kernel.meters import OK
from modelport.runtime.shared import SharedBoard


def main(fd: int, slot: int, times: int) -> None:
    board = SharedBoard.open(fd)
    board.claim(slot, "worker")
    recorder = board.recorder(slot, 0)
    recorder.waiting(5, 50)
    board.begin(slot, 1e9, [bytes([slot]) * 8])
    sys.stdout.write("counting\n")
    sys.stdout.flush()
    for _ in range(times) if times else count():
        recorder.request(OK, 0.5)
        recorder.batch(2, [0.25, 0.25], 0.125)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
