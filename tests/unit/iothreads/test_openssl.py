"""Where OpenSSL is looked for."""

import sys

import pytest

from iothreads import openssl


def test_macos_is_never_asked_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library without a version is Apple's, which ends who loads it."""
    monkeypatch.setattr(sys, "platform", "darwin")
    names = openssl.candidates()
    assert names and not [name for name in names if name.endswith(("libssl.dylib", "libssl.so"))]
