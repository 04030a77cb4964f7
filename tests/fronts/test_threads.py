"""The threads of mounted applications: what is taken and what is refused."""

from __future__ import annotations

import threading

from modelport.mount.threads import OwnThreads, ThreadLane


def test_no_more_is_taken_than_runs_and_waits_whether_threads_sleep_or_not() -> None:
    lane, over, ended = ThreadLane(2, 2), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        over.wait(20)
        ended.release()

    for _ in range(50):  # from the second time on, threads are there and asleep
        over.clear()
        assert sum(lane.submit(work) for _ in range(8)) == 4
        over.set()
        for _ in range(4):
            assert ended.acquire(timeout=20)
        while lane._running:  # a thread may still be on its way back
            ended.acquire(timeout=0.001)


def test_all_steps_of_a_request_run_in_one_thread_and_requests_are_spread() -> None:
    threads = OwnThreads(2, 100)
    taken = [threads.take() for _ in range(4)]
    assert [taken.count(thread) for thread in set(taken)] == [2, 2]
    done = threading.Event()
    seen: list[str] = []
    for thread in taken:
        assert thread is not None
        for _ in range(3):
            thread.submit(lambda: seen.append(threading.current_thread().name))
    for thread in set(taken):
        assert thread is not None
        done.clear()
        thread.submit(done.set)
        assert done.wait(20)
    assert {name: seen.count(name) for name in set(seen)} == {"modelport-inside-1": 6, "modelport-inside-2": 6}


def test_a_request_is_refused_where_too_many_steps_wait() -> None:
    threads = OwnThreads(1, 1)
    threads.steps = 2
    assert threads.take() is None
