"""The data of perf.persistence: an append only file that is one, with every type in it."""

from pathlib import Path

from perf import persistence
from server.persistence import check_aof
from server.persistence.aof_reader import AofReader

KEYS = 200


def commands(folder: Path) -> list[list[bytes]]:
    with open(folder / persistence.AOF_FOLDER / persistence.AOF_BASE, "rb") as file:
        reader = AofReader(file)
        return list(iter(reader.next, None))


def test_the_file_is_whole_and_mixed(tmp_path: Path) -> None:
    persistence.write_aof(tmp_path, KEYS)
    assert check_aof.main([str(tmp_path / persistence.AOF_FOLDER / f"{persistence.AOF_NAME}.manifest")]) == 0
    found = commands(tmp_path)
    names = {argv[0] for argv in found}
    assert names == {b"SELECT", b"SET", b"PEXPIREAT", b"HMSET", b"RPUSH", b"SADD", b"ZADD", b"XADD"}
    assert len({argv[1] for argv in found if argv[1].startswith(b"key:")}) == KEYS


def test_every_key_can_be_rewritten() -> None:
    for number in range(100):
        first = next(persistence.commands_for(number))
        again = persistence.rewrite_of(number)
        name = first.split(b"\r\n")[2], again.split(b"\r\n")[2]
        assert name[0] == name[1] or name in ((b"HMSET", b"HSET"), (b"RPUSH", b"LSET"))


def test_options() -> None:
    given = persistence.options(["--keys", "1000", "--parts", "save,cow"])
    assert (given.keys, given.parts) == (1000, ["save", "cow"])
