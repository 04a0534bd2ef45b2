"""Which history of writes this server is in: replication ids and the offsets up to which they are true.

A history has an id of 40 hex digits; the offset counts its bytes. Two nodes with the same id and offset hold the same
data. A replica that becomes a master begins a history of its own, but up to there it was its master's: it keeps the old
id as the second one, so that its former siblings go on from their offset without a full sync.
"""

import os

NO_ID = "0" * 40


def new_id() -> str:
    """An id that nobody else has."""
    return os.urandom(20).hex()


class History:
    """The id, and the one before with the first offset at which it is no longer ours."""

    def __init__(self) -> None:
        self.id = new_id()
        self.second_id = NO_ID
        self.second_offset = -1

    def begin(self) -> None:
        """A history that shares nothing with those before."""
        self.id = new_id()
        self.forget_second()

    def forget_second(self) -> None:
        """There is no history before."""
        self.second_id, self.second_offset = NO_ID, -1

    def shift(self, offset: int) -> None:
        """What was our master's up to `offset` goes on as our own: the first byte beyond differs."""
        self.second_id, self.second_offset = self.id, offset + 1
        self.id = new_id()

    def adopt(self, id: str, offset: int | None = None) -> None:
        """Our master goes on under another id, from this offset on; None: a full sync, nothing before counts."""
        if offset is None:
            self.forget_second()
        else:
            self.second_id, self.second_offset = self.id, offset + 1
        self.id = id

    def refusal(self, id: str, offset: int) -> str | None:
        """Why a replica that knows this id and wants the byte `offset` next cannot go on; None when it may, as far as
        the history is concerned. "?" asks for everything: that is no reason to be logged, and the text is empty."""
        if id.lower() == self.id or (id.lower() == self.second_id and offset <= self.second_offset):
            return None
        if id == "?":
            return ""
        if id.lower() != self.second_id:
            return (f"Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{id}', my "
                    f"replication IDs are '{self.id}' and '{self.second_id}')")
        return (f"Partial resynchronization not accepted: Requested offset for second ID was {offset}, but I can reply "
                f"up to {self.second_offset}")
