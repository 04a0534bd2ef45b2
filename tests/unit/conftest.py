"""Fixtures of unit tests."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def exact_memory() -> Iterator[None]:
    """What earlier tests left behind is not freed while this one counts: used memory is that of the whole process."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
