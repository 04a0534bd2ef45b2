"""What a reader says, as text: `lambda node: len(node.master.replicas)` is "len(p0.master.replicas)". A function that
contains the text of many readers does what they do without calling any.

Of a function there is only its code. So those forms that readers mostly have are tried: each is compiled with the names
and constants that the function has, and when the code is the same, so is what it says.
"""

import builtins
from collections.abc import Callable

from server.registry.attribute_path import attribute_path
from server.registry.light import Any

_CALLED = ("len", "bool")
# {of}: what is looked at, attributes of the argument; {0}, {1}: the function's constants.
_FORMS = ("len({of})", "bool({of})", "{of} is not None", "{of} is None", "{of} > 0", "{of} != {0}", "{of} == {0}",
          "{of} or {0}", "{0} if {of} else {1}", "{0} if {of} is None else {1}")
_PARTS = ("co_code", "co_consts", "co_names", "co_freevars", "co_argcount", "co_kwonlyargcount", "co_posonlyargcount")


def expression(read: Callable[[Any], object], of: str) -> str | None:
    """The text, which calls the argument `of`; None: it is none of the forms, or no function of Python's."""
    if read is len:
        return f"len({of})"
    path = attribute_path(read)
    if path is not None:
        return ".".join([of, *path])
    code = getattr(read, "__code__", None)
    if code is None or code.co_argcount != 1 or any(name in read.__globals__ for name in _CALLED):
        return None
    called = code.co_names[:1] if code.co_names[:1] and code.co_names[0] in _CALLED else ()
    attributes = code.co_names[len(called):]
    constants = tuple([one for one in code.co_consts if one is not None])      # what stands first in some versions
    if not attributes or not all(type(one) in (str, int) for one in constants):
        return None
    for form in _FORMS:
        text = _filled(form, [of, *attributes], constants)
        same = _filled(form, [code.co_varnames[0], *attributes], constants)
        if text is not None and _is_code_of(code, f"lambda {code.co_varnames[0]}: {same}"):
            return text
    return None


def _filled(form: str, path: list[str], constants: tuple[object, ...]) -> str | None:
    try:
        return form.format(*map(repr, constants), of=".".join(path))
    except IndexError:
        return None


def _is_code_of(code: Any, text: str) -> bool:
    made = eval(text, {"__builtins__": builtins}).__code__
    return all(getattr(code, part) == getattr(made, part) for part in _PARTS)
