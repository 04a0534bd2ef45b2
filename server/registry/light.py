"""Names of `typing`, `signal` and `locale` for a server that shall be up in a moment. These modules bring `re`, `enum`
and `contextlib`; without them, on Python 3.11, a start takes 270 million instructions instead of 350, and an empty
server 1.1 MiB less.

`typing` compiles a function for each named tuple, and makes an abstract class with caches of each protocol, of which
nobody here asks `isinstance`. Here `__new__` of a named tuple is compiled when the first is made, and a protocol is a
plain class. mypy sees those of the standard library.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import locale as locale
    import signal as signal
    from typing import (
        IO as IO,
        Any as Any,
        BinaryIO as BinaryIO,
        Concatenate as Concatenate,
        Generic as Generic,
        NamedTuple as NamedTuple,
        NoReturn as NoReturn,
        Optional as Optional,
        Protocol as Protocol,
        TextIO as TextIO,
        TypeVar as TypeVar,
        cast as cast,
        dataclass_transform as dataclass_transform,
        overload as overload,
    )
else:
    import _locale as locale  # noqa: F401
    import _signal as signal  # noqa: F401
    from operator import itemgetter

    class Generic:
        """Something of a type that is told in brackets."""

        __slots__ = ()

        def __class_getitem__(cls, _):
            return cls

    class TypeVar:
        """A type that is told later."""

        def __init__(self, name, *, bound=None):
            self.__name__ = name

        def __typing_subst__(self, told):       # what makes Callable[..., T] take it
            return told

        def __or__(self, _):
            return self

    class Protocol(Generic):
        """What a class must have that stands in its place."""

        __slots__ = ()

    Any = BinaryIO = NoReturn = TextIO = object
    IO = Optional = Generic

    class Concatenate:
        """Types of arguments, and any behind them."""

        def __class_getitem__(cls, _):
            return ...

    def cast(_, value):
        """The value, which mypy takes for one of that type."""
        return value

    def overload(function):
        """One of the ways to call what follows."""
        return function

    def dataclass_transform(**_):
        """What it decorates makes dataclasses."""
        return lambda function: function

    class _Maker(type):
        """Gives the subclasses of NamedTuple no room for more, and names to their items."""

        def __new__(maker, name, bases, body):
            if not bases:
                return super().__new__(maker, name, (tuple,), body)
            made = super().__new__(maker, name, bases, {**body, "__slots__": ()})
            if bases == (NamedTuple,):
                made._fields = made.__match_args__ = tuple(made.__annotations__)
                made._field_defaults = {field: body[field] for field in made._fields if field in body}
                for at, field in enumerate(made._fields):
                    setattr(made, field, property(itemgetter(at)))
            return made

    class NamedTuple(metaclass=_Maker):
        """A tuple whose items have names, those that the class annotates."""

        __slots__ = ()

        def __new__(cls, *args, **named):
            """Compile that of the class that has the fields, and go on with that."""
            owner = next(base for base in cls.__mro__ if "_fields" in vars(base))
            owner.__new__ = _new_of(owner)
            return owner.__new__(cls, *args, **named)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in zip(self._fields, self))})"

        def __getnewargs__(self):
            return tuple(self)

        def _asdict(self):
            """The items by name."""
            return dict(zip(self._fields, self))

        def _replace(self, **changes):
            """The same with other values of some fields."""
            return type(self)(**self._asdict() | changes)

    def _new_of(cls):
        names = {"new": tuple.__new__, "defaults": cls._field_defaults}
        words = [f"{field}=defaults[{field!r}]" if field in cls._field_defaults else field for field in cls._fields]
        exec(f"def __new__(_cls, {', '.join(words)}):\n    return new(_cls, ({', '.join(cls._fields)},))", names)
        made = names["__new__"]
        made.__qualname__ = f"{cls.__qualname__}.__new__"
        return made
