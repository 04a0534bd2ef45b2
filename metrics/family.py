"""How a family of metrics is made: names as they are shown, and the types that follow from them."""

from collections.abc import Iterable

from prometheus_client.core import Metric

COUNTER, GAUGE, UNTYPED = "counter", "gauge", "unknown"

Labels = dict[str, str]


def family(name: str, text: str, samples: Iterable[tuple[Labels, float]], kind: str = "") -> Metric:
    """A family of one value per set of labels. kind: COUNTER or GAUGE; "" reads it from the name."""
    total = name.endswith("_total")
    kind = COUNTER if total else UNTYPED if kind == COUNTER else kind or GAUGE
    metric = Metric(name.removesuffix("_total") if total else name, text, kind)
    for labels, value in samples:
        metric.add_sample(name, {label: labelled(word) for label, word in labels.items()}, value)
    return metric


def labelled(word: str) -> str:
    """A label's value of a name that may have been anything (of a user, of a master)."""
    return word if word.isascii() else shown_as(word.encode("utf-8", "surrogateescape"))


def shown_as(word: bytes) -> str:
    """A label's value: Prometheus takes UTF-8 only."""
    return word.decode("utf-8", "backslashreplace")


def single(name: str, text: str, value: float, kind: str = "") -> Metric:
    """A family of one value without labels."""
    return family(name, text, [({}, value)], kind)
