"""One thread at a time with an object that several threads share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock, RLock
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[object, AbstractContextManager[bool]] = WeakKeyDictionary()
_guard = Lock()


@contextmanager
def exclusively(*objects: object) -> Iterator[None]:
    """While it lasts, no other thread is inside `exclusively` with one of these objects; the same thread may be.

    Args:
        objects: that can be weakly referenced, such as modules and tokenizers. Each is known by its identity.
    """
    with _guard:
        locks = [_locks.setdefault(item, RLock()) for item in sorted(objects, key=id)]
    with ExitStack() as stack:
        for lock in locks:  # always in the same order, so that two threads never wait for each other
            stack.enter_context(lock)
        yield
