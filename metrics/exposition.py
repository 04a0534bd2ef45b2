"""The text that Prometheus reads, made of prometheus-client's families in about half the time that it takes itself.

    # HELP redis_up Whether the server's main thread answers.
    # TYPE redis_up gauge
    redis_up 1.0

prometheus-client looks at each name and label with regular expressions, for each sample; ours are right by
construction, and a test holds this text to what prometheus-client makes of the same families. A scrape has to share the
interpreter with the main thread, so its time is what clients wait for.
"""

import re
import zlib
from collections.abc import Iterable
from urllib.parse import parse_qs

from prometheus_client.core import Metric
from prometheus_client.utils import floatToGoString

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TYPES = {"unknown": "untyped"}  # what the text format calls otherwise
GZIP = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


def text(families: Iterable[Metric]) -> bytes:
    """The exposition of these families. Complexity: O(samples)."""
    parts: list[str] = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        about = family.documentation.translate(HELP_ESCAPES)
        parts.append(f"# HELP {name} {about}\n# TYPE {name} {TYPES.get(family.type, family.type)}\n")
        for sample in family.samples:
            parts.append(f"{sample.name}{shown(sample.labels)} {floatToGoString(sample.value)}\n")
    return "".join(parts).encode()


def shown(labels: dict[str, str]) -> str:
    """`{cmd="get",quantile="50"}`, by name; nothing without labels."""
    if not labels:
        return ""
    return "{" + ",".join([f'{name}="{value.translate(ESCAPES)}"' for name, value in sorted(labels.items())]) + "}"


def packed(body: bytes) -> bytes:
    """The same for those who accept gzip: fast rather than small."""
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP)
    return packer.compress(body) + packer.flush()


def chosen(families: Iterable[Metric], query: str) -> Iterable[Metric]:
    """Those that `name[]=redis_up&name[]=redis_db_keys` asks for, by family or by sample; all without."""
    names = set(parse_qs(query).get("name[]", ()))
    if not names:
        return families
    return [each for each in families if each.name in names or names & {sample.name for sample in each.samples}]


def response(
    accepted: str, query: str, families: Iterable[Metric]
) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Headers and body. accepted: the request's Accept-Encoding; query: see `chosen`."""
    body = text(chosen(families, query))
    if takes_gzip(accepted):
        return (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")), packed(body)
    return (), body


def takes_gzip(accepted: str) -> bool:
    """Whether `deflate, gzip;q=0.5` and the like name gzip, and not as refused."""
    for item in accepted.split(","):
        coding, _, quality = item.partition(";")
        if coding.strip().lower() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False
