"""Names of `typing` at run time are as there in what we use of them."""

import typing
from collections.abc import Callable

import pytest

from server.registry import light


class Ours(light.NamedTuple):
    """Ours."""

    name: str
    size: int = 3

    @property
    def double(self) -> int:
        return self.size * 2


class Theirs(typing.NamedTuple):
    """Theirs."""

    name: str
    size: int = 3


def test_a_named_tuple_is_a_tuple_with_names() -> None:
    one = Ours("a")
    assert one == ("a", 3) == Theirs("a") and hash(one) == hash(("a", 3))
    assert (one.name, one.size, one.double) == ("a", 3, 6)
    assert Ours(size=5, name="b") == ("b", 5)
    assert one._replace(size=9) == Ours("a", 9) and one._asdict() == {"name": "a", "size": 3}
    assert Ours._fields == Theirs._fields and Ours.__match_args__ == ("name", "size")
    assert repr(one) == "Ours(name='a', size=3)"
    match one:
        case Ours(name, 3):
            assert name == "a"


@pytest.mark.parametrize("arguments", [{}, {"name": "a", "siz": 1}, {"size": 1}])
def test_wrong_arguments_are_refused_as_there(arguments: dict[str, typing.Any]) -> None:
    for made in (Ours, Theirs):
        with pytest.raises(TypeError):
            made(**arguments)
        with pytest.raises(TypeError):
            made("a", 1, 2)


def test_a_named_tuple_has_no_room_for_more() -> None:
    one = Ours("a")
    for name in ("other", "size"):
        with pytest.raises(AttributeError):
            setattr(one, name, 1)


def test_one_made_of_another_has_its_fields() -> None:
    class More(Ours):
        def shout(self) -> str:
            return self.name.upper()

    assert More("a").shout() == "A" and More("a", 1) == ("a", 1) and type(More("a")) is More


def test_a_protocol_is_a_plain_class() -> None:
    class Sized(light.Protocol):
        def __len__(self) -> int: ...

    assert type(Sized) is type
    assert issubclass(type("Mine", (Sized,), {}), Sized)


def test_what_is_said_of_types_can_be_evaluated() -> None:
    """As modules do that are loaded with their annotations."""
    kind = light.TypeVar("kind")
    part = Callable[..., kind]
    assert part[int] == Callable[..., int] and part[light.Any] == Callable[..., object]
    assert dict[str, light.Any] == dict[str, object] and light.Any | None == object | None

    class Box(light.Generic[kind]):
        """Something of a type."""

    assert Box[int] is Box and light.Optional["Box"] is not None and light.cast(int, "x") == "x"
