"""DEBUG about data: fingerprints, how one value is kept, the tables under them, and active expiry."""

from server.keyspace import digest
from server.keyspace.database import Database
from server.keyspace.defrag import ActiveDefrag
from server.keyspace.expire import ActiveExpire
from server.observe.debug_settings import switch, yes
from server.registry import args
from server.registry.debug import MANY, Subcommands
from server.registry.directive import parse_memory
from server.registry.errors import NO_SUCH_KEY, CommandError
from server.registry.light import Any
from server.registry.reply import OK, Verbatim
from server.types import list as list_

subcommand = Subcommands(Database)     # of the call


# ---- the data's fingerprint
@subcommand("DIGEST", 0, 0, "", "Show a fingerprint of all data; zeros when there is none.")
def digest_(db: Database) -> str:
    """Order of keys and elements does not count."""
    return digest.keyspace_digest(db.keyspace).hex()


@subcommand("DIGEST-VALUE", 0, MANY, "<key> [<key> ...]", "Show a fingerprint of each value.")
def digest_value(db: Database, *keys: bytes) -> list[str]:
    """Zeros for a key that is absent."""
    return [digest.value_digest(db, key).hex() for key in keys]


# ---- one key
def require(db: Database, key: bytes) -> None:
    """Error: there is none."""
    if not db.exists(key):
        raise CommandError(NO_SUCH_KEY)


@subcommand("SDSLEN", 1, 1, "<key>", "Show the lengths of a key and its string value.")
def sdslen(db: Database, key: bytes) -> str:
    """In Redis's words; spare room is not kept here."""
    require(db, key)
    value = db.peek(key)
    if value is None or db.encoding(key) == "int":
        raise CommandError("ERR Not an sds encoded string.")
    return (
        f"key_sds_len:{len(key)}, key_sds_avail:0, key_zmalloc: {len(key)}, val_sds_len:{len(value)}, "
        f"val_sds_avail:0, val_zmalloc: {len(value)}"
    )


def _print_structure(db: Database, key: bytes, encoding: str, title: str, full: bool = False) -> str:
    require(db, key)
    view = db.view(key)
    if view is None or view.encoding_name() != encoding:
        raise CommandError(f"ERR Not a {encoding} encoded object.")
    text = view.debug_text(full) if hasattr(view, "debug_text") else b""
    print(text.decode("latin-1"), flush=True)
    return f"{title} structure printed on stdout"


@subcommand("LISTPACK", 1, 1, "<key>", "Print a value kept as listpack to standard output.")
def listpack(db: Database, key: bytes) -> str:
    """For those who look at the process's output."""
    return _print_structure(db, key, "listpack", "Listpack")


@subcommand("QUICKLIST", 1, 2, "<key> [<0|1>]", "Print a value kept as quicklist to standard output.")
def quicklist(db: Database, key: bytes, full: bytes = b"0") -> str:
    """The same for long lists."""
    return _print_structure(db, key, "quicklist", "Quicklist", args.parse_integer(full) not in (0, None))


@subcommand(
    "QUICKLIST-PACKED-THRESHOLD",
    1,
    1,
    "<size>",
    "Set from how many bytes a list's element gets a node of its own;",
    "0 for the default of 1gb.",
)
def quicklist_packed_threshold(db: Database, size: bytes) -> str:
    """For lists from now on; elements that are there stay where they are."""
    threshold = parse_memory(size.decode("latin-1"))
    if threshold is None or not 0 <= threshold < 1 << 63 or not list_.set_packed_threshold(threshold):
        raise CommandError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    return OK


# ---- tables
def _table_stats(stats: dict[str, Any]) -> str:
    """Redis's text about a hash table, resizing or not."""
    if not sum(stats["used"]):
        return "No stats available for empty dictionaries\n"
    text = ""
    for number, title in enumerate(("main hash table", "rehashing target")):
        if number == 0 or stats["buckets"][number]:
            text += (
                f"Hash table {number} stats ({title}):\n table size: {stats['buckets'][number]}\n"
                f" number of elements: {stats['used'][number]}\n"
            )
            text += _chain_stats(stats["chains"][number], stats["buckets"][number], stats["used"][number])
    return text


def _chain_stats(chains: dict[int, int], buckets: int, used: int) -> str:
    """How long the chains are, if that was asked for. chains: the number of buckets by the entries in them."""
    slots = sum(count for length, count in chains.items() if length)
    if not slots:
        return ""
    counted = sum(length * count for length, count in chains.items())
    text = (
        f" different slots: {slots}\n max chain length: {max(chains)}\n"
        f" avg chain length (counted): {counted / slots:.2f}\n avg chain length (computed): {used / slots:.2f}\n"
        " Chain length distribution:\n"
    )
    for length, count in sorted((chains | {0: buckets - slots}).items()):
        if count:
            text += f"   {length}: {count} ({100 * count / buckets:.2f}%)\n"
    return text


def _is_full(word: bytes) -> bool:
    return word.lower() == b"full"


@subcommand("HTSTATS", 1, 2, "<dbid> [full]", "Show buckets and elements of a database's table.")
def htstats(db: Database, number: bytes, full: bytes = b"") -> Verbatim:
    """Expires live in the same table here."""
    index = args.integer(number)
    databases = db.keyspace.databases
    if not 0 <= index < len(databases):
        raise CommandError("ERR Out of range database")
    db = databases[index]
    expires = f" number of elements: {db.expires}\n" if db.expires else _table_stats({"used": [0]})
    return Verbatim(f"[Dictionary HT]\n{_table_stats(db.hash_stats(_is_full(full)))}[Expires HT]\n{expires}")


@subcommand("HTSTATS-KEY", 1, 2, "<key> [full]", "Show buckets and elements of the table that a value is.")
def htstats_key(db: Database, key: bytes, full: bytes = b"") -> Verbatim:
    """Only values that are kept in a table have one."""
    require(db, key)
    stats = getattr(db.view(key), "hash_stats", None)
    found = stats(_is_full(full)) if stats is not None else None
    if found is None:
        raise CommandError("ERR The value stored at the specified key is not represented using an hash table")
    return Verbatim(_table_stats(found))


# ---- switches
@Subcommands(ActiveExpire)(
    "SET-ACTIVE-EXPIRE", 1, 1, "<0|1>", "Remove expired keys that nobody asks for, or leave them."
)
def set_active_expire(expiry: ActiveExpire, word: bytes) -> str:
    """Those that somebody asks for go at once in any case."""
    expiry.enabled = yes(word)
    return OK


@Subcommands(ActiveDefrag)(
    "DEFRAG-EVERYTHING", 1, 1, "<0|1>", "With activedefrag, move every block again and again, or only what has to go."
)
def defrag_everything(defrag: ActiveDefrag, word: bytes) -> str:
    """Whatever is wasted: so a test need not make waste first, and no pointer is left out that may become stale."""
    defrag.set_everything(yes(word))
    return OK


switch("DICT-RESIZING", "dict_resizing", yes, "<0|1>", "Let tables grow and shrink, or not.")
