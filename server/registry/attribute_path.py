"""What a reader reads, when that is an attribute and nothing else: `lambda save: save.child.cow_peak` is a call of
Python that only looks up ("child", "cow_peak"), which native code does in a third of the time."""

from collections.abc import Callable
from operator import attrgetter

from server.registry.light import Any


class _Followed:
    """Stands in for the part: attributes lead to another one of these, and anything else that is done with it fails or
    gives something else. looks: all attributes that were looked up, in order."""

    def __init__(self, path: tuple[str, ...], looks: list[str]) -> None:
        self.__dict__["__path"] = path
        self.__dict__["__looks"] = looks

    def __getattr__(self, name: str) -> "_Followed":
        self.__dict__["__looks"].append(name)
        return _Followed((*self.__dict__["__path"], name), self.__dict__["__looks"])

    def __bool__(self) -> bool:
        raise TypeError("it has no value")


def attribute_path(read: Callable[[Any], object]) -> tuple[str, ...] | None:
    """The attributes that it follows from its argument; None: it does more than that, or is no function of Python's.

    It is called with a stand-in. Whatever else it looks at, or its code names (a global, an attribute that it would
    look at in another case), is not in the path that comes back, so that they differ.
    """
    if isinstance(read, attrgetter):
        names: tuple[str, ...] = read.__reduce__()[1]  # type: ignore[assignment]
        return tuple(names[0].split(".")) if len(names) == 1 else None
    code = getattr(read, "__code__", None)
    if code is None or code.co_argcount != 1 or code.co_freevars:
        return None
    looks: list[str] = []
    try:
        found = read(_Followed((), looks))
    except Exception:
        return None
    path: tuple[str, ...] = found.__dict__["__path"] if type(found) is _Followed else ()
    return path if path and path == code.co_names == tuple(looks) else None
