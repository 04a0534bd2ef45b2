"""The Python-visible face of CRC64."""

from typing_extensions import Buffer

def crc64_of(data: Buffer, crc: int = 0) -> int: ...
