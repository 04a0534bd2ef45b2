"""A .pyi says what Python sees of the .pyx and .pxd beside it: the same functions, classes, attributes and parameters.

mypy believes a .pyi and nothing compares it with what it describes; a native function keeps no signature that could be
asked at run time. So the headers are read from the text, and the names are looked up in the built module as well.
"""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.test_imports import ROOT, module_of, without_strings

PACKAGES = ("server", "iothreads", "scripting", "metrics", "perf")
STUBS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.pyi"))
HEADER = re.compile(r"(?:def|cpdef)\s+(?:[^()=]*?[\s*])?(\w+)\s*\(")
CLASS = re.compile(r"(?:cdef\s+)?class\s+(\w+)")
SHOWN = re.compile(r"cdef\s+(?:public|readonly)\s+(.*)")
FIELD = re.compile(r"(\w+)\s*[:=]\s")  # of a class of Python
CONSTRUCTORS = ("__init__", "__cinit__")  # a __cinit__(self) takes whatever __init__ does

MISSING = object()


class Parameter(NamedTuple):
    name: str  # with its stars
    optional: bool


class Face(NamedTuple):
    """What Python sees of a module: dotted names below it, with the parameters of what is called."""

    functions: dict[str, tuple[Parameter, ...]]
    classes: set[str]
    attributes: set[str]  # of classes: properties and public fields


def without_comments(text: str) -> str:
    return re.sub(r"""("[^"\n]*"|'[^'\n]*')|#[^\n]*""", r"\1", text)


def split(text: str) -> Iterator[str]:
    """The parts between commas that are in no bracket and no string, up to the bracket that closes them all."""
    depth, part, quote = 0, "", ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        else:
            depth += (c in "([{") - (c in ")]}")
            if depth < 0:
                break
            if c == "," and not depth:
                yield part
                part = ""
                continue
        part += c
    if part.strip():
        yield part


def parameter_of(text: str) -> Parameter:
    """`const char* name not None`, `int64_t n=0`, `*words`, `key: x = 1`: the name, and whether it may be left out."""
    declared, equals, _ = text.partition("=")
    declared = re.sub(r"\s+(?:not|or)\s+None\s*$", "", declared.partition(":")[0]).strip()
    if declared in ("*", "/"):
        return Parameter(declared, False)
    name = re.split(r"[\s\]]", declared)[-1]
    stars = name[: len(name) - len(name.lstrip("*"))] if declared.startswith("*") else ""
    return Parameter(stars + name.lstrip("*"), bool(equals))


def parameters_of(text: str) -> tuple[Parameter, ...]:
    """Those of a header, from behind its opening bracket."""
    return tuple(parameter_of(part) for part in split(text))


def face_of_cython(*texts: str) -> Face:
    """Of a .pyx and its .pxd."""
    face = Face({}, set(), set())
    for text in texts:
        text = without_comments(without_strings(text))
        classes: list[str] = []  # around the line; what stands elsewhere at its depth is a function's own
        decorator, at = "", 0
        for line in text.splitlines(keepends=True):
            code, indent, start = line.strip(), len(line) - len(line.lstrip()), at
            at += len(line)
            if not code or indent > 4 * len(classes):
                continue
            del classes[indent // 4 :]
            below = "".join(f"{name}." for name in classes)
            if code.startswith("@"):
                decorator = code
                continue
            if m := HEADER.match(code):
                if decorator == "@property":
                    face.attributes.add(below + m[1])
                elif not decorator.endswith(".setter"):
                    own = 1 if classes and decorator != "@staticmethod" else 0
                    face.functions[below + m[1]] = parameters_of(text[start + indent + m.end() :])[own:]
            elif m := CLASS.match(code):
                face.classes.add(below + m[1])
                classes.append(m[1])
            elif classes and (m := SHOWN.match(code)):
                face.attributes.update(below + re.split(r"[\s*]", part.strip())[-1] for part in split(m[1]))
            elif classes and (m := FIELD.match(code)):
                face.attributes.add(below + m[1])
            decorator = ""
    return face


def face_of_stub(text: str) -> tuple[Face, set[str]]:
    """And the names of the module's constants and aliases."""
    face, constants = Face({}, set(), set()), set()

    def read(body: list[ast.stmt], below: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                if "property" in decorators:
                    face.attributes.add(below + node.name)
                elif not any(decorator.endswith(".setter") for decorator in decorators):
                    method = bool(below) and "staticmethod" not in decorators
                    face.functions[below + node.name] = parameters_of(ast.unparse(node.args))[method:]
            elif isinstance(node, ast.ClassDef):
                face.classes.add(below + node.name)
                read(node.body, f"{below}{node.name}.")
            elif isinstance(node, ast.AnnAssign):
                (face.attributes if below else constants).add(below + ast.unparse(node.target))

    read(ast.parse(text).body, "")
    return face, constants


def of_source(stub: Path) -> Face:
    return face_of_cython(*(p.read_text() for p in (stub.with_suffix(".pyx"), stub.with_suffix(".pxd")) if p.exists()))


def public(names: Iterable[str]) -> set[str]:
    return {name for name in names if not any(part.startswith("_") for part in name.split("."))}


def constructor_of(face: Face, name: str) -> tuple[Parameter, ...]:
    """What a class is called with. Cython gives both of its constructors the same words."""
    return next((face.functions[f"{name}.{c}"] for c in CONSTRUCTORS if f"{name}.{c}" in face.functions), ())


def shown(parameters: tuple[Parameter, ...] | None) -> str:
    if parameters is None:
        return "missing"
    return "(" + ", ".join(name + "=" * optional for name, optional in parameters) + ")"


def agree(source: tuple[Parameter, ...], stub: tuple[Parameter, ...]) -> bool:
    """Whether they are the same; a .pyi may spell out what the source hands on as `**rest`, as keywords."""
    if source == stub:
        return True
    if not source or not source[-1].name.startswith("**"):
        return False
    named = source[:-1]
    keywords_only = any(name == "*" for name, _ in stub[: len(named) + 1])
    return stub[: len(named)] == named and keywords_only


def differences(source: Face, stub: Face) -> Iterator[str]:
    """In what a .pyi says something else than what it describes. Classes that it leaves out are native code's own."""
    left_out = public(source.classes) - stub.classes
    for kind, theirs, ours in (
        ("class", source.classes, stub.classes),
        ("attribute", source.attributes, stub.attributes),
        ("function", source.functions.keys(), stub.functions.keys()),
    ):
        yield from (f"{kind} {name}: not there" for name in sorted(public(ours) - theirs))
        unsaid = (name for name in sorted(public(theirs) - ours) if name.partition(".")[0] not in left_out)
        yield from (f"{kind} {name}: missing in the .pyi" for name in unsaid)
    for name in sorted(public(source.classes & stub.classes)):
        theirs, ours = constructor_of(source, name), constructor_of(stub, name)
        if not agree(theirs, ours):
            yield f"{name}{shown(ours)}, in the .pyx {shown(theirs)}"
    for name in sorted(source.functions.keys() & stub.functions.keys()):
        theirs, ours = source.functions[name], stub.functions[name]
        if not agree(theirs, ours) and not name.endswith(CONSTRUCTORS):
            yield f"{name}{shown(ours)}, in the .pyx {shown(theirs)}"


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.relative_to(ROOT).as_posix())
def test_a_pyi_says_what_its_pyx_does(stub):
    assert list(differences(of_source(stub), face_of_stub(stub.read_text())[0])) == []


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.relative_to(ROOT).as_posix())
def test_what_a_pyi_names_is_in_the_built_module(stub):
    module = importlib.import_module(module_of(stub))
    face, constants = face_of_stub(stub.read_text())
    missing = []
    for name in public({*face.functions, *face.classes, *face.attributes, *constants}):
        found = module
        for part in name.split("."):
            found = getattr(found, part, MISSING)
        if found is MISSING:
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize(
    ("text", "functions", "attributes"),
    [
        ("def f(const char* a not None, int64_t[4] b, c: int = 3, *words, d='(,', **rest): pass\n",
         {"f": "(a, b, c=, *words, d=, **rest)"}, set()),
        ("cpdef bint f(\n    bytes a,  # it's (one\n    /,\n) except -1:\n    def inner(): pass\n    x = 1\n",
         {"f": "(a, /)"}, set()),
        ("cdef int f(int a): pass\ncdef inline void g() noexcept nogil:\n    pass\n", {}, set()),
        ("cdef class A(B):\n    cdef readonly Blob* a, b  # and more\n    cdef int c\n    def f(self, x=None): pass\n",
         {"A.f": "(x=)"}, {"A.a", "A.b"}),
        ("class A:\n    a: int\n    @property\n    def b(self): pass\n    @staticmethod\n    def f(x):\n        y = 2",
         {"A.f": "(x)"}, {"A.a", "A.b"}),
        ('def f():\n    """\ndef g():\n"""\ndef h(str a="\'"): pass\n', {"f": "()", "h": "(a=)"}, set()),
    ],
)  # fmt: skip
def test_the_reader_of_cython_headers(text, functions, attributes):
    face = face_of_cython(text)
    assert {name: shown(parameters) for name, parameters in face.functions.items()} == functions
    assert face.attributes == attributes


def test_differences_are_seen():
    source = face_of_cython(
        "def f(a, b=1): pass\ndef g(): pass\ndef i(a, **r): pass\ndef j(a, **r): pass\n"
        "cdef class A:\n    def __cinit__(self, x): pass\n"
    )
    stub, _ = face_of_stub(
        "def f(a: int, b: int) -> int: ...\ndef h() -> None: ...\ndef i(a: int, *, k: int) -> None: ...\n"
        "def j(a: int, k: int) -> None: ...\nclass A: ...\nclass B: ...\n"
    )
    assert list(differences(source, stub)) == [
        "class B: not there", "function h: not there", "function g: missing in the .pyi", "A(), in the .pyx (x)",
        "f(a, b), in the .pyx (a, b=)", "j(a, k), in the .pyx (a, **r)",
    ]  # fmt: skip
