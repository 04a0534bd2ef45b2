"""How the modules of a server come into memory in a moment.

A start loads some 300 of them. Python looks for each in folders, opens, reads, checks and closes a file, and maps a
shared object for a native one: that is a third of a start. So a build also puts them together, beside this file:
`native` has the native modules, and FILE the code of the others, as .pyc files have it.

Nothing depends on it. What is not there, or was changed since, is left to Python, which finds it as ever: in a clone a
module whose source has another time or size than it had; installed, one that is newer than the installation.
"""

import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

FILE = f"modules.{sys.implementation.cache_tag}.bin"
SIZE_OF_LENGTH = 4          # bytes, behind the magic number; then comes the index, which is so long, and the code
INSTALLING_NS = 60 * 10**9  # in which all files of an installation come to be
# For each module by its name: the path of its source below the folder of the rooms, that one's size and mtime_ns (0: it
# will be installed somewhere, and have another), and where its code is: an offset behind the index, and a length.
Index = dict[str, tuple[str, int, int, int, int]]


def _read_index(path: str) -> tuple[Index, int, int]:
    """The index, where code begins, and the file's mtime_ns; an empty one where there is no file for this Python."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(MAGIC_NUMBER) + SIZE_OF_LENGTH)
            if start.startswith(MAGIC_NUMBER):
                index = marshal.loads(file.read(int.from_bytes(start[-SIZE_OF_LENGTH:], "little")))
                stat, begin = os.fstat(file.fileno()), file.tell()
                *_, offset, length = next(reversed(index.values()))
                if begin + offset + length == stat.st_size:
                    return index, begin, stat.st_mtime_ns
    except (OSError, EOFError, ValueError, TypeError, StopIteration):      # none, or one that was cut short
        pass
    return {}, 0, 0


def _read(path: str, offset: int, length: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


class Loader(SourceFileLoader):
    """Of one module whose code is in the file. A spec that said `has_location` would have Python look for what it knows
    of no such module (`__cached__`), at a sixth of what all this takes; so it is the loaders that set `__file__`."""

    def __init__(self, name: str, source: str, file: str, offset: int, length: int) -> None:
        super().__init__(name, source)
        self._code = file, offset, length

    def exec_module(self, module: ModuleType) -> None:
        """As importlib.abc.Loader has it."""
        module.__file__ = self.path
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        """Where it was compiled its source may have had another path."""
        code: CodeType = marshal.loads(_read(*self._code))
        if code.co_filename != self.path:
            _fix_co_filename(code, self.path)
        return code


class Finder:
    """Stands on sys.meta_path before those of Python."""

    def __init__(self, home: str, native: Any) -> None:
        self.native_names: frozenset[str] = frozenset(native.names()) if native else frozenset()
        self._native = native
        self._home = home
        self._file = os.path.join(home, "server", FILE)
        self._index, self._begin, mtime_ns = _read_index(self._file)
        self._installed_ns = mtime_ns + INSTALLING_NS

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As importlib.abc.MetaPathFinder has it."""
        if name in self.native_names:
            spec = ModuleSpec(name, self._native, origin=self._native.__file__)
        elif name in self._index:
            source, size, mtime_ns, offset, length = self._index[name]
            source = f"{self._home}/{source}"
            if not self._is_unchanged(source, size, mtime_ns):
                return None
            loader = Loader(name, source, self._file, self._begin + offset, length)
            spec = ModuleSpec(name, loader, origin=source)
            if source.endswith("/__init__.py"):
                spec.submodule_search_locations = [os.path.dirname(source)]
        else:
            return None
        return spec

    def _is_unchanged(self, source: str, size: int, mtime_ns: int) -> bool:
        try:
            now = os.stat(source)
        except OSError:
            return False
        return now.st_size == size and (
            now.st_mtime_ns == mtime_ns if mtime_ns else now.st_mtime_ns <= self._installed_ns)


_finder: Finder | None = None


def install(home: str) -> None:
    """From now on modules come from there. home: the folder of the rooms."""
    global _finder
    if _finder is None:
        try:
            from server import native
        except ImportError:                 # a build with a sanitizer has none
            native = None                   # type: ignore[assignment]
        _finder = Finder(home, native)
        sys.meta_path.insert(0, _finder)


def native_names(package: str) -> set[str]:
    """Names of the native modules in a package: installed, they have no files."""
    start = f"{package}."
    return {name.removeprefix(start) for name in _finder.native_names if name.startswith(start)} if _finder else set()


def write(home: str, sources: Iterable[str], *, installed: bool) -> None:
    """For setup.py: put the code of modules together. What was not changed is not compiled again.

    home       the folder of the rooms
    sources    their paths below that
    installed  they are on their way to some other folder
    """
    target = os.path.join(home, "server", FILE)
    known, begin, _ = _read_index(target)
    index: Index = {}
    codes: list[bytes] = []
    offset = 0
    for path in sorted(sources):
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        source = os.path.join(home, path)
        stat = os.stat(source)
        is_source = path, stat.st_size, 0 if installed else stat.st_mtime_ns
        before = known.get(name)
        if before is not None and before[:3] == is_source and not installed:
            code = _read(target, begin + before[3], before[4])
        else:
            with open(source, "rb") as file:
                text = file.read()
            code = marshal.dumps(compile(text, path if installed else source, "exec", dont_inherit=True))
        index[name] = *is_source, offset, len(code)
        codes.append(code)
        offset += len(code)
    if index != known:
        table = marshal.dumps(index)
        with open(f"{target}.new", "wb") as file:
            file.write(MAGIC_NUMBER + len(table).to_bytes(SIZE_OF_LENGTH, "little") + table + b"".join(codes))
        os.replace(f"{target}.new", target)
