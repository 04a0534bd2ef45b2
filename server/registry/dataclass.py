"""`dataclass` as in the standard library, for a program that shall be up in a moment: that one compiles five functions
for each class when it is imported, and brings `inspect` with it. With it a start takes 450 million instructions instead
of 270, and an empty server 2.1 MiB more.

Here `__init__` is compiled when some objects were made; the other methods are the same functions for all classes.
What of the standard library's options is not used is not here. mypy sees the same (PEP 681).
"""

from collections.abc import Callable

from server.registry.light import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")
_ABSENT: Any = object()
UNCOMPILED = 6      # objects of a class, before its `__init__` is compiled: that takes as long as making 20
_made_of: dict[type, int] = {}


class FieldOptions:
    """What `field(...)` says of a field."""

    __slots__ = ("compare", "default", "default_factory", "repr")

    def __init__(self, default: Any, default_factory: Any, repr: bool, compare: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.repr = repr
        self.compare = compare


def field(*, default: Any = _ABSENT, default_factory: Any = _ABSENT, repr: bool = True, compare: bool = True) -> Any:
    """A field whose default is made anew for each object, or that `repr` or `==` leaves out."""
    return FieldOptions(default, default_factory, repr, compare)


@overload
def dataclass(cls: type[T], /) -> type[T]: ...
@overload
def dataclass(*, eq: bool = True, frozen: bool = False, slots: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(field_specifiers=(field,))
def dataclass(cls: Any = None, /, *, eq: bool = True, frozen: bool = False, slots: bool = False) -> Any:
    """A class whose annotated names are its fields: arguments of its objects in that order. frozen: they do not change,
    and objects can be keys of a dict. slots: objects have no room for more."""
    if cls is None:
        return lambda cls: _made(cls, eq, frozen, slots)
    return _made(cls, eq, frozen, slots)


def replace(thing: T, **changes: Any) -> T:
    """The same with other values of some fields."""
    return type(thing)(**{name: getattr(thing, name) for name in _fields_of(thing)} | changes)


def _fields_of(thing: Any) -> dict[str, FieldOptions]:
    fields: dict[str, FieldOptions] = thing.__remus_fields__
    return fields


def _made(cls: Any, eq: bool, frozen: bool, slots: bool) -> Any:
    fields: dict[str, FieldOptions] = {}
    for base in reversed(cls.__mro__[1:]):
        fields |= vars(base).get("__remus_fields__", {})
    for name, annotation in cls.__annotations__.items():
        if "ClassVar" in str(annotation):
            continue
        given = vars(cls).get(name, _ABSENT)
        options = given if isinstance(given, FieldOptions) else FieldOptions(given, _ABSENT, True, True)
        fields[name] = options
        if options.default is not _ABSENT:
            setattr(cls, name, options.default)
        elif isinstance(given, FieldOptions):
            delattr(cls, name)
    cls.__remus_fields__ = fields
    type.__setattr__(cls, "__match_args__", tuple(fields))
    _add(cls, "__init__", _first_init)
    _add(cls, "__repr__", _repr)
    if eq:
        _add(cls, "__eq__", _eq)
        cls.__hash__ = _hash if frozen else None
    if frozen:
        cls.__setattr__, cls.__delattr__ = _frozen, _frozen
    return _with_slots(cls) if slots else cls


def _add(cls: Any, name: str, function: Any) -> None:
    if name not in vars(cls):
        setattr(cls, name, function)


def _with_slots(cls: Any) -> Any:
    """The class again: slots cannot be added."""
    inherited = {name for base in cls.__mro__[1:] for name in vars(base).get("__remus_fields__", {})}
    names = tuple(name for name in cls.__remus_fields__ if name not in inherited)
    body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__", *names)}
    return type(cls)(cls.__name__, cls.__bases__, {**body, "__slots__": names, "__qualname__": cls.__qualname__})


def _first_init(self: Any, *args: Any, **named: Any) -> None:
    """Compile `__init__` of the class that has it from here, and go on with that. Many have few objects."""
    cls: Any = next(base for base in type(self).__mro__ if vars(base).get("__init__") is _first_init)
    made = _made_of[cls] = _made_of.get(cls, 0) + 1
    if made <= UNCOMPILED and (values := _values_of(cls, args, named)) is not None:
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if hasattr(cls, "__post_init__"):
            self.__post_init__()
        return
    init = _init_of(cls)
    cls.__init__ = init
    init(self, *args, **named)


def _values_of(cls: Any, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any] | None:
    """Those of the fields of an object that is made with these arguments; None when it cannot be."""
    fields: dict[str, FieldOptions] = cls.__remus_fields__
    given = dict(zip(fields, args))
    if len(args) > len(fields) or not named.keys() <= fields.keys() - given.keys():
        return None
    given |= named
    values = {}
    for name, options in fields.items():
        if name in given:
            values[name] = given[name]
        elif options.default_factory is not _ABSENT:
            values[name] = options.default_factory()
        elif options.default is not _ABSENT:
            values[name] = options.default
        else:
            return None
    return values


def _init_of(cls: Any) -> Any:
    names: dict[str, Any] = {"set_": object.__setattr__, "absent": _ABSENT}
    words, lines = ["self"], []
    frozen = cls.__setattr__ is _frozen
    for name, options in cls.__remus_fields__.items():
        value = name
        if options.default_factory is not _ABSENT:
            names[f"make_{name}"] = options.default_factory
            words.append(f"{name}=absent")
            value = f"make_{name}() if {name} is absent else {name}"
        elif options.default is not _ABSENT:
            names[f"default_{name}"] = options.default
            words.append(f"{name}=default_{name}")
        else:
            words.append(name)
        lines.append(f"    set_(self, {name!r}, {value})" if frozen else f"    self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    exec(f"def __init__({', '.join(words)}):\n" + ("\n".join(lines) or "    pass"), names)
    init = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _compared(thing: Any) -> tuple[Any, ...]:
    return tuple(getattr(thing, name) for name, options in _fields_of(thing).items() if options.compare)


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, options in _fields_of(self).items() if options.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _frozen(self: Any, name: str, *value: object) -> None:
    raise AttributeError(f"{name!r} of a frozen {type(self).__name__} does not change")
