"""The environment variables of this process, left as a run found them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo what the block changes: Lightning leaves seeds, ranks, addresses and a number of threads to the next job."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
