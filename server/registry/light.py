"""`NamedTuple` and `Protocol` as in `typing`, for a program that shall be up in a moment: that module compiles a
function for each named tuple when it is imported, and makes an abstract class with its caches of each protocol, of
which nobody here asks `isinstance`.

Here `__new__` is compiled when the first tuple is made, and a protocol is a plain class. mypy sees those of `typing`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple, Protocol as Protocol
else:
    from collections import _tuplegetter

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
                    setattr(made, field, _tuplegetter(at, None))
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

    def _new_of(cls: Any) -> Any:
        names: dict[str, Any] = {"new": tuple.__new__, "defaults": cls._field_defaults}
        words = [f"{field}=defaults[{field!r}]" if field in cls._field_defaults else field for field in cls._fields]
        exec(f"def __new__(_cls, {', '.join(words)}):\n    return new(_cls, ({', '.join(cls._fields)},))", names)
        made = names["__new__"]
        made.__qualname__ = f"{cls.__qualname__}.__new__"
        return made

    class Protocol:
        """What a class must have that stands in its place."""

        __slots__ = ()

        def __class_getitem__(cls, _):
            return cls
