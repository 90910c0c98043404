"""One thread at a time with an object, and no thread waits for ever."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

from musicldm.machine.locks import exclusively


class Thing:
    pass


def test_one_thread_at_a_time_is_inside_with_the_same_object() -> None:
    shared, inside, most = Thing(), [0], [0]

    def work(_: int) -> None:
        with exclusively(shared):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            threading.Event().wait(0.002)
            inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1]


def test_threads_with_different_objects_are_inside_together() -> None:
    meeting = threading.Barrier(2)

    def work(_: int) -> int:
        with exclusively(Thing()):
            return meeting.wait(30)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, range(2))) == [0, 1]


def test_two_threads_that_name_objects_in_other_orders_do_not_wait_for_each_other() -> None:
    one, other = Thing(), Thing()

    def work(number: int) -> int:
        with exclusively(*((one, other) if number % 2 else (other, one))):
            return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(400), timeout=60)) == list(range(400))


def test_two_threads_that_wait_for_the_same_objects_in_other_orders_both_go_on_once_these_are_free() -> None:
    one, other = Thing(), Thing()

    def work(objects: tuple[Thing, Thing]) -> None:
        with exclusively(*objects):
            pass

    for _ in range(20):
        threads = [threading.Thread(target=work, args=(order,), daemon=True) for order in ((one, other), (other, one))]
        with exclusively(one, other):
            for thread in threads:
                thread.start()
            threading.Event().wait(0.01)  # so that each waits for its first object
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)


def test_the_same_thread_may_enter_again_and_an_error_lets_go() -> None:
    shared = Thing()
    try:
        with exclusively(shared), exclusively(shared):
            raise ValueError
    except ValueError:
        pass
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: exclusively(shared).__enter__()).result(30) is None


def test_an_object_is_not_kept_for_its_lock() -> None:
    shared = Thing()
    with exclusively(shared):
        gone = weakref.ref(shared)
    del shared
    gc.collect()
    assert gone() is None
