import pytest

from server.config.table import NOT_BUILT


@pytest.fixture
def everything_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader as it is for a server that refuses nothing: no part of it is missing."""
    for part in tuple(NOT_BUILT):
        monkeypatch.delitem(NOT_BUILT, part)
