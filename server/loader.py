"""How the modules of a server come into memory in a moment.

A start loads some 300 of them. Python looks for each in folders, opens, reads, checks and closes a file, and maps a
shared object for a native one: that is a third of a start. So a build also puts them together, beside this file:
`native` has the native modules, and FILE the code of the others, as .pyc files have it.

Nothing depends on it. What is not there, or was changed since, is left to Python, which finds it as ever: in a clone a
module whose source has another time or size than it had; installed, one that is newer than the installation. But a
server that runs keeps both files as they were when it started: what it loads later fits what it has, whatever a build
or an upgrade has put in their place.

The code there is without annotations, which nobody here reads at run time, and without docstrings but those of
commands, which COMMAND DOCS tells: .7 MiB of an empty server.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

TYPE_CHECKING = False       # of typing, whose import this is to be without (server.registry.light)
if TYPE_CHECKING:
    from typing import Any

FILE = f"modules.{sys.implementation.cache_tag}.bin"
SIZE_OF_LENGTH = 4          # bytes, behind the magic number; then comes the index, which is so long, and the code
OWN = "server/loader.py"
INSTALLING_NS = 60 * 10**9  # in which all files of an installation come to be
# For each module by its name: the path of its source below the folder of the rooms, that one's size and mtime_ns (0: it
# will be installed somewhere, and have another), and where its code is: an offset behind the index, and a length.
Index = dict[str, tuple[str, int, int, int, int]]


class CodeFile:
    """The file, open: so it stays the same while this process runs."""

    def __init__(self, path: str) -> None:
        self.index: Index = {}      # empty where there is no file for this Python
        self.mtime_ns = 0
        self._descriptor, self._begin = -1, 0
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.index = self._read_index()
        except (OSError, EOFError, ValueError, TypeError, StopIteration):      # none, or one that was cut short
            self.close()

    def _read_index(self) -> Index:
        head = len(MAGIC_NUMBER) + SIZE_OF_LENGTH
        start = os.pread(self._descriptor, head, 0)
        if not start.startswith(MAGIC_NUMBER):
            raise ValueError("of another Python")
        size = int.from_bytes(start[-SIZE_OF_LENGTH:], "little")
        index: Index = marshal.loads(os.pread(self._descriptor, size, head))
        stat = os.fstat(self._descriptor)
        self._begin, self.mtime_ns = head + size, stat.st_mtime_ns
        *_, offset, length = next(reversed(index.values()))
        if self._begin + offset + length != stat.st_size:
            raise EOFError
        return index

    def read(self, name: str) -> bytes:
        """The code of a module that the index has."""
        *_, offset, length = self.index[name]
        return os.pread(self._descriptor, length, self._begin + offset)

    def close(self) -> None:
        """There is nothing to be had any more."""
        self.index = {}
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Loader(SourceFileLoader):
    """Of one module whose code is in the file. A spec that said `has_location` would have Python look for what it knows
    of no such module (`__cached__`), at a sixth of what all this takes; so it is the loaders that set `__file__`."""

    def __init__(self, name: str, source: str, file: CodeFile) -> None:
        super().__init__(name, source)
        self._file = file

    def exec_module(self, module: ModuleType) -> None:
        """As importlib.abc.Loader has it."""
        module.__file__ = self.path
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        """Where it was compiled its source may have had another path."""
        code: CodeType = marshal.loads(self._file.read(fullname))
        if code.co_filename != self.path:
            _fix_co_filename(code, self.path)
        return code


class Finder:
    """Stands on sys.meta_path before those of Python."""

    def __init__(self, home: str, native: Any) -> None:
        self.native_names: frozenset[str] = frozenset(native.names()) if native else frozenset()
        self._native = native
        self._home = home
        self._file = CodeFile(os.path.join(home, "server", FILE))
        self._installed_ns = self._file.mtime_ns + INSTALLING_NS
        self._started_ns = time.time_ns()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As importlib.abc.MetaPathFinder has it."""
        if name in self.native_names:
            spec = ModuleSpec(name, self._native, origin=self._native.__file__)
        elif name in self._file.index:
            source, size, mtime_ns, *_ = self._file.index[name]
            source = f"{self._home}/{source}"
            if not self._is_unchanged(source, size, mtime_ns):
                return None
            spec = ModuleSpec(name, Loader(name, source, self._file), origin=source)
            if source.endswith("/__init__.py"):
                spec.submodule_search_locations = [os.path.dirname(source)]
        else:
            return None
        return spec

    def _is_unchanged(self, source: str, size: int, mtime_ns: int) -> bool:
        """Whether it was when this process started: what came to the source since is for the next one."""
        try:
            now = os.stat(source)
        except OSError:
            return False
        if now.st_ctime_ns > self._started_ns:
            return True
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
    before = CodeFile(target)
    kept = {} if installed else before.index
    index: Index = {}
    codes: list[bytes] = []
    offset = 0
    for path in sorted(sources, key=lambda path: (path != OWN, path)):
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        source = os.path.join(home, path)
        stat = os.stat(source)
        is_source = path, stat.st_size, 0 if installed else stat.st_mtime_ns
        if name in kept and kept[name][:3] == is_source:
            code = before.read(name)
        else:
            if path == OWN:
                kept = {}       # ... which says how the others are compiled
            with open(source, "rb") as file:
                code = marshal.dumps(_compiled(file.read(), path if installed else source))
        index[name] = *is_source, offset, len(code)
        codes.append(code)
        offset += len(code)
    if index != before.index:
        table = marshal.dumps(index)
        with open(f"{target}.new", "wb") as file:
            file.write(MAGIC_NUMBER + len(table).to_bytes(SIZE_OF_LENGTH, "little") + table + b"".join(codes))
        os.replace(f"{target}.new", target)
    before.close()


def _compiled(text: bytes, path: str) -> CodeType:
    import ast  # here, for only a build needs it

    tree = ast.parse(text, path)
    for node in ast.walk(tree):
        is_command = isinstance(node, ast.FunctionDef) and node.decorator_list
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and not is_command:
            if ast.get_docstring(node, clean=False) is not None:
                node.body[:1] = [] if node.body[1:] else [ast.copy_location(ast.Pass(), node.body[0])]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    # Those of classes, which name the fields of a dataclass, are strings: Python 3.14 does as much by itself.
    code: CodeType = compile(tree, path, "exec", annotations.compiler_flag, dont_inherit=True)
    return code
