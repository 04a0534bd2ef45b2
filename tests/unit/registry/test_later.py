"""Declarations that wait until they are asked for."""

from server.registry.later import Later


def test_what_is_declared_later_is_there_when_it_is_asked_for(tmp_path, monkeypatch) -> None:
    (tmp_path / "declares_first.py").write_text("import builtins\nbuiltins.declared_here = ['first']\n")
    (tmp_path / "declares_next.py").write_text("declared_here.append('next')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.declared_here", None, raising=False)
    later = Later()
    later.add("declares_first", "declares_next")
    import builtins

    assert builtins.declared_here is None
    later.load()
    later.load()
    assert builtins.declared_here == ["first", "next"]
