"""Words of requests and replies as the state keeps them: text, in which bytes that are no UTF-8 are kept, too."""


def text_of(word: bytes) -> str:
    """A word that came."""
    return word.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """A word that goes."""
    return text.encode("utf-8", "surrogateescape")
