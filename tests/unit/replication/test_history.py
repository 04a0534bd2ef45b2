"""Which replicas may go on from where they are."""

from server.replication.history import NO_ID, History


def test_the_own_id_is_known() -> None:
    history = History()
    assert history.refusal(history.id, 10) is None
    assert history.refusal(history.id.upper(), 10) is None
    assert history.second_id == NO_ID and history.second_offset == -1


def test_another_id_is_refused_and_a_question_mark_without_a_word() -> None:
    history = History()
    assert "Replication ID mismatch" in (history.refusal("f" * 40, 1) or "")
    assert history.refusal("?", -1) == ""


def test_a_promoted_replica_still_serves_its_masters_history_up_to_there() -> None:
    history = History()
    history.adopt("a" * 40)
    history.shift(100)
    assert history.second_id == "a" * 40 and history.second_offset == 101 and history.id != "a" * 40
    assert history.refusal("a" * 40, 101) is None
    assert "up to 101" in (history.refusal("a" * 40, 102) or "")


def test_a_master_with_another_id_makes_the_old_one_the_second() -> None:
    history = History()
    old = history.id
    history.adopt("b" * 40, 50)
    assert (history.id, history.second_id, history.second_offset) == ("b" * 40, old, 51)
    history.adopt("c" * 40)
    assert history.second_id == NO_ID
