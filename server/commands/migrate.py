"""MIGRATE: keys move to another server, which has them when they are gone here.

Nobody else is served meanwhile, as in Redis, so give it many keys at a time rather than all (KEYS), and a time-out:
the longest silence of the other side. Connections are kept for ten seconds (server.cluster.migrate_target).
"""

from collections.abc import Sequence

from server.cluster.migrate_target import Broken, Outcome
from server.dispatch.call import Call
from server.persistence.restore_writer import RestoreWriter
from server.registry import args
from server.registry.command import WRITE, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, DELETE, INCOMPLETE, RW, KeyReference, keys, spec
from server.registry.light import NamedTuple
from server.registry.reply import OK

command = group("generic")

TIMEOUT_MS = 1000               # when 0 or less is asked for
OPTIONS_AT = 6                  # in argv
KEY_AT = 3
KEY_NOT_EMPTY = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
_REDACTED = b"(redacted)"
_FLAGS = (RW, ACCESS, DELETE)


class _Options(NamedTuple):
    copy: bool
    replace: bool
    login: list[bytes]          # what AUTH gets; empty: none
    keys: Sequence[bytes]


def _options(call: Call, key: bytes) -> _Options:
    """Passwords are taken out of argv as they are read. Errors: syntax, a key beside KEYS."""
    copy = replace = False
    login: list[bytes] = []
    argv, at = call.argv, OPTIONS_AT
    while at < len(argv):
        name = argv[at].upper()
        values = {b"AUTH": 1, b"AUTH2": 2}.get(name, 0)
        if name == b"KEYS":
            if key:
                raise CommandError(KEY_NOT_EMPTY)
            return _Options(copy, replace, login, argv[at + 1 :])
        if name == b"COPY":
            copy = True
        elif name == b"REPLACE":
            replace = True
        elif values and at + values < len(argv):
            login = argv[at + 1 : at + 1 + values]
            argv[at + 1 : at + 1 + values] = [_REDACTED] * values
        else:
            raise syntax()
        at += 1 + values
    return _Options(copy, replace, login, [key])


def _find_keys(argv: Sequence[bytes]) -> list[KeyReference] | None:
    """The key, or those behind KEYS; None when both are given. What stands behind AUTH and AUTH2 is no KEYS."""
    at = OPTIONS_AT if any(word.upper() == b"KEYS" for word in argv[2:-1]) else len(argv)
    while at < len(argv):
        name = argv[at].upper()
        if name == b"KEYS":
            return None if argv[KEY_AT] else [KeyReference(place, _FLAGS) for place in range(at + 1, len(argv))]
        at += {b"AUTH": 2, b"AUTH2": 3}.get(name, 1)
    return [KeyReference(KEY_AT, _FLAGS)]


@command(
    "MIGRATE", arity=-6, flags=WRITE, since="2.6.0", acl=("dangerous",), tips=("nondeterministic_output",),
    keys=keys(spec(*_FLAGS, begin=KEY_AT),
              spec(*_FLAGS, INCOMPLETE, begin=("keyword", "KEYS", -2), find=("range", -1, 1, 0)),
              reader=_find_keys),
    syntax='host port <key | ""> destination-db timeout [COPY] [REPLACE] '
           "[AUTH password | AUTH2 username password] [KEYS key [key ...]]",
    history=(("3.0.0", "Added the `COPY` and `REPLACE` options."), ("3.0.6", "Added the `KEYS` option."),
             ("4.0.7", "Added the `AUTH` option."), ("6.0.0", "Added the `AUTH2` option.")),
)
def migrate(call: Call, host: bytes, port: bytes, key: bytes, destination: bytes, timeout: bytes,
            *_words: bytes) -> str:
    """Move keys to another server: they are created there as by RESTORE, and deleted here once it has said so.

    timeout: ms, the longest that the other server may say nothing. COPY leaves the keys here as well; REPLACE
    overwrites what is there. Keys that do not exist are passed over: when none does, the reply is NOKEY.

    Errors: IOERR, when the connection broke or time ran out: some of the keys may be on both servers then.

    Complexity: that of DUMP and DEL here and of RESTORE there for each key, and O(N) for sending N bytes.
    """
    options = _options(call, key)
    timeout_ms = args.integer(timeout)
    db = args.integer(destination)
    if timeout_ms <= 0:
        timeout_ms = TIMEOUT_MS
    found = [name for name in options.keys if call.db.touch(name)]
    if not found:
        return "NOKEY"
    outcome = _send(call, host, port, db, timeout_ms, options, found)
    if not options.copy:
        _delete(call, outcome.restored)
    if outcome.refused is not None:
        raise CommandError(b"ERR Target instance replied with error: " + outcome.refused.text)
    if outcome.broken is not None:
        raise CommandError(outcome.broken.error)
    return OK


def _send(call: Call, host: bytes, port: bytes, db: int, timeout_ms: int, options: _Options,
          found: list[bytes]) -> Outcome:
    """Connect and transfer. A connection that was kept may be dead by now: then once more with a new one."""
    outcome = _send_once(call, host, port, db, timeout_ms, options, found)
    if outcome.broken is not None and outcome.broken.retry:
        outcome = _send_once(call, host, port, db, timeout_ms, options, found)
    return outcome


def _send_once(call: Call, host: bytes, port: bytes, db: int, timeout_ms: int, options: _Options,
               found: list[bytes]) -> Outcome:
    targets = call.server.migrate_targets
    target = targets.get(host, port, timeout_ms)
    if isinstance(target, Broken):
        return Outcome([], None, target)
    head = [[b"AUTH", *options.login]] if options.login else []
    if target.db != db:
        head.append([b"SELECT", b"%d" % db])
    config = call.config
    restores = RestoreWriter(call.db, asking=config.cluster_enabled, replace=options.replace,
                             version=config.rdb_version, compress=config.rdbcompression)
    outcome: Outcome = target.transfer(head, found, restores, timeout_ms)
    target.db = db if outcome.refused is None else -1
    if outcome.broken is not None:
        targets.drop(host, port)
    return outcome


def _delete(call: Call, moved: list[bytes]) -> None:
    """They are on the other server; AOF and replicas hear a DEL."""
    delete = call.db.unlink if call.config.lazyfree_lazy_server_del else call.db.delete
    gone = [key for key in moved if delete(key)]
    for key in gone:
        call.deleted(key)
    if gone:
        call.propagate_as(b"DEL", *gone)
