"""temporary stub; will be replaced by the metrics work"""

import mmap
import os


class Rec:
    def __init__(self, b, s, m):
        self.b = b
        self.s = s
        self.m = m

    def request(self, o, s):
        pass

    def shed(self, r):
        pass

    def batch(self, *a):
        pass

    def waiting(self, d):
        self.b.v[self.s * 64 + 32 + self.m] += d


class SharedBoard:
    def __init__(self, fd):
        self.fd = fd
        self.mm = mmap.mmap(fd, os.fstat(fd).st_size)
        self.v = memoryview(self.mm).cast("d")
        self.n = len(self.v) // 64
        self.dg = {}

    @classmethod
    def create(cls, slots, models):
        fd = os.memfd_create("board")
        os.ftruncate(fd, slots * 64 * 8)
        return cls(fd)

    @classmethod
    def open(cls, fd):
        return cls(fd)

    def claim(self, slot, role):
        self.v[slot * 64] = os.getpid()

    def recorder(self, s, m):
        return Rec(self, s, m)

    def waiting_rows(self, m):
        return int(sum(self.v[s * 64 + 32 + m] for s in range(self.n)))

    def begin(self, s, limit, d):
        import time

        self.v[s * 64 + 1] = time.monotonic()
        self.v[s * 64 + 2] = limit
        self.v[s * 64 + 3] = len(d)
        for i, x in enumerate(d[:20]):
            self.mm[(s * 64 + 4 + i) * 8 : (s * 64 + 5 + i) * 8] = x

    def end(self, s):
        self.v[s * 64 + 2] = 0

    def running(self, s):
        n = int(self.v[s * 64 + 3]) if self.v[s * 64 + 2] else 0
        return (
            self.v[s * 64 + 1],
            self.v[s * 64 + 2],
            [bytes(self.mm[(s * 64 + 4 + i) * 8 : (s * 64 + 5 + i) * 8]) for i in range(min(n, 20))],
        )

    def clear_gauges(self, s):
        self.v[s * 64 + 2] = 0
        for m in range(32):
            self.v[s * 64 + 32 + m] = 0
