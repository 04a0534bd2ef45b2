"""The rules of the port's connections, by a clock of the test's own."""

from metrics.connections import (
    ANSWERING,
    ENDING,
    ENDING_SECONDS,
    READING,
    REPLY_SECONDS,
    REQUEST_SECONDS,
    SHAKING,
    WRITING,
    Connection,
    Connections,
)


def some(most: int, phases: list[int]) -> tuple[Connections, list[Connection]]:
    """Connections in these phases, each a second younger than the one before."""
    connections = Connections(most)
    made = []
    for now, phase in enumerate(phases):
        made.append(Connection(None, SHAKING if phase == SHAKING else READING, now))
        if phase > READING:
            made[-1].enter(phase, now)
        connections.add(made[-1])
    return connections, made


def test_however_steadily_a_request_drips_its_time_is_limited() -> None:
    connections, [one] = some(9, [READING])
    assert connections.patience(0) == REQUEST_SECONDS
    one.received += b"GET /"
    assert connections.overdue(REQUEST_SECONDS - 0.1) == []
    assert connections.overdue(REQUEST_SECONDS) == [one]


def test_a_handshake_is_part_of_the_request() -> None:
    connections, [one] = some(9, [SHAKING])
    one.enter(READING, 4.0)
    assert connections.overdue(REQUEST_SECONDS) == [one]


def test_the_time_for_a_reply_begins_with_it() -> None:
    connections, [one] = some(9, [READING])
    one.enter(ANSWERING, 1.0)
    assert connections.patience(1.0) is None and connections.overdue(1e9) == []
    one.enter(WRITING, 20.0)
    assert connections.patience(20.0) == REPLY_SECONDS
    one.enter(ENDING, 21.0)
    assert connections.patience(21.5) == ENDING_SECONDS - 0.5


def test_a_newcomer_takes_the_place_of_whom_we_waited_for_longest() -> None:
    connections, made = some(3, [ANSWERING, READING, WRITING])
    new = Connection(None, READING, 3.0)
    assert connections.add(new) is made[1]
    connections.remove(made[1])
    assert connections.add(Connection(None, READING, 4.0)) is made[2]


def test_who_is_being_answered_keeps_its_place() -> None:
    connections, _ = some(2, [ANSWERING, ANSWERING])
    new = Connection(None, READING, 3.0)
    assert connections.add(new) is new


def test_without_connections_there_is_nothing_to_wait_for() -> None:
    connections, [one] = some(2, [READING])
    connections.remove(one)
    connections.remove(one)
    assert connections.patience(0) is None and len(connections) == 0 and one not in connections
