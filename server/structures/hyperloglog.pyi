from collections.abc import Iterable
from typing import Any

class CorruptHyperLogLog(ValueError):
    """The registers do not add up: a client wrote over them."""

def set_limits(config: Any) -> None:
    """Follow hll-sparse-max-bytes."""

def is_valid(value: bytes) -> bool:
    """Whether a string can be used as a HyperLogLog at all (if not, Redis answers WRONGTYPE). O(1)."""

def add(value: bytes | None, elements: Iterable[bytes], sparse_max: int = 3000) -> tuple[bytes, int]:
    """PFADD: the new value, and how many changes there were (creating it from None is one). O(1) per element.

    Raises CorruptHyperLogLog. `value` must be valid or None; `sparse_max` is hll-sparse-max-bytes.
    """

def count(value: bytes) -> tuple[int, bytes | None]:
    """PFCOUNT of one key: the cardinality, and the value with the cardinality cached if it was not (else None).

    O(1) when cached, else O(16384). Raises CorruptHyperLogLog.
    """

def count_union(values: Iterable[bytes]) -> int:
    """PFCOUNT of several keys: the cardinality of their union. O(16384) each. Raises CorruptHyperLogLog."""

def merge(target: bytes | None, sources: Iterable[bytes], sparse_max: int = 3000) -> bytes:
    """PFMERGE: the target (None: a new one) with the sources merged in. O(16384) each.

    Dense when one of them is dense or the sparse form grows too big. Raises CorruptHyperLogLog.
    """

def to_dense(value: bytes) -> bytes:
    """The same registers in the dense encoding. Raises CorruptHyperLogLog."""

def encoding(value: bytes) -> str:
    """PFDEBUG ENCODING: "dense" or "sparse"."""

def registers(value: bytes) -> list[int]:
    """PFDEBUG GETREG: the 16384 registers. Raises CorruptHyperLogLog."""

def decode(value: bytes) -> bytes:
    """PFDEBUG DECODE of a sparse value: its opcodes as z:length, Z:length and v:value,length."""

def selftest(sparse_max: int = 3000, elements: int = 1000000) -> str | None:
    """PFSELFTEST: None when all is well, else the error text. Takes about 0.1 s."""
