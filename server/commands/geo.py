"""Positions on the map: a geo index is a sorted set whose scores are 52-bit geohashes of longitude and latitude.

So members are removed with ZREM and counted with ZCARD. Positions are degrees, longitude first, latitudes up to
85.05112878; what is stored is the middle of a cell of less than a metre. Distances are in a unit that was asked for.
Searches come in two generations: GEOSEARCH, and the older GEORADIUS family, which could also store.
"""

from collections.abc import Sequence

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, READONLY, WRITE, group
from server.registry.dataclass import dataclass, field
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, OW, RO, RW, UPDATE, KeyReference, Keys, keys, one_key, spec
from server.registry.light import Any
from server.registry.reply import NULL_ARRAY, Encoded
from server.structures import geohash as geo
from server.types import sorted_set_geo
from server.types.sorted_set import ADDED, UPDATED, ZADD_FLAGS, SortedSet
from server.types.sorted_set_geo import Points
from server.types.sorted_set_result import score as read_number, store

command = group("geo")

LONGITUDE_MAX, LATITUDE_MAX = 180.0, 85.05112878
UNITS = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}
_UNIT_SYNTAX = "<M | KM | FT | MI>"


# ---- arguments
def _position(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Degrees. Errors: not a float, invalid pair."""
    x, y = read_number(longitude), read_number(latitude)
    if not (-LONGITUDE_MAX <= x <= LONGITUDE_MAX and -LATITUDE_MAX <= y <= LATITUDE_MAX):
        raise CommandError(f"ERR invalid longitude,latitude pair {x:f},{y:f}")
    return x, y


def _unit(text: bytes) -> float:
    """Metres in a unit. Errors: unsupported unit."""
    metres = UNITS.get(text.lower())
    if metres is None:
        raise CommandError("ERR unsupported unit provided. please use M, KM, FT, MI")
    return metres


def _radius(text: bytes, unit: bytes) -> tuple[float, float]:
    """(radius, metres in its unit)."""
    radius = read_number(text, "ERR need numeric radius")
    if radius < 0:
        raise CommandError("ERR radius cannot be negative")
    return radius, _unit(unit)


def _box(width_text: bytes, height_text: bytes, unit: bytes) -> tuple[float, float, float]:
    """(width, height, metres in their unit)."""
    width = read_number(width_text, "ERR need numeric width")
    height = read_number(height_text, "ERR need numeric height")
    if width < 0 or height < 0:
        raise CommandError("ERR height or width cannot be negative")
    return width, height, _unit(unit)


def _position_of(zset: SortedSet, member: bytes) -> tuple[float, float]:
    """Where a member is. Errors: could not decode."""
    score = zset.score(member)
    if score is None:
        raise CommandError("ERR could not decode requested zset member")
    return geo.decode(score)


# ---- replies
def _degrees(value: float, resp: int) -> bytes | Encoded:
    """A coordinate with up to 17 decimals."""
    text = f"{value:.17f}".rstrip("0").rstrip(".").encode()
    if text == b"-0":
        text = b"0"
    return Encoded(b",%s\r\n" % text) if resp == 3 else text


def _distance(value: float) -> bytes:
    """A distance with four decimals."""
    scaled = round(value * 10000)
    return b"%s%d.%04d" % (b"-" if scaled < 0 else b"", abs(scaled) // 10000, abs(scaled) % 10000)


# ---- adding and asking
@command("GEOADD", arity=-5, flags=WRITE | DENYOOM, keys=one_key(RW, UPDATE), since="3.2.0",
         syntax="key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
         history=(("6.2.0", "Added the `CH`, `NX` and `XX` options."),))
def geoadd(call: Call, key: bytes, *words: bytes) -> int:
    """Add members with their positions, or move members that are there; reply with how many were new.

    NX only adds, XX only moves; CH makes the reply count moved ones too. AOF and replicas see ZADD.

    Complexity: O(log(N)) for each member, N being the number of members of the sorted set.
    """
    at = 0
    while at < len(words) and words[at].upper() in (b"NX", b"XX", b"CH"):
        at += 1
    options = {word.upper().decode() for word in words[:at]}
    if (len(words) - at) % 3 or {"NX", "XX"} <= options:
        raise syntax()
    pairs = [(float(geo.encode(*_position(words[i], words[i + 1]))), words[i + 2]) for i in range(at, len(words), 3)]
    if not pairs:
        raise syntax()
    flags = sum(ZADD_FLAGS.get(name, 0) for name in options)
    zset = call.db.lookup_write(key, SortedSet, create="XX" not in options)
    if zset is None:
        return 0
    zset.expect(len(pairs), len(pairs[0][1]))
    outcomes = [zset.add(score, member, flags)[0] for score, member in pairs]
    added, updated = outcomes.count(ADDED), outcomes.count(UPDATED)
    if added or updated:
        call.changed(key, "zadd", by=added + updated)
        call.propagate_as(b"zadd", key, *words[:at], *(word for score, m in pairs for word in (b"%d" % score, m)))
    return added + updated if "CH" in options else added


@command("GEOHASH", arity=-2, flags=READONLY, keys=one_key(RO, ACCESS), since="3.2.0",
         syntax="key [member [member ...]]")
def geohash(call: Call, key: bytes, *members: bytes) -> list[bytes | None]:
    """Return the standard geohash strings of members, 11 characters each, null for each that is none.

    Complexity: O(1) for each member.
    """
    zset = call.db.lookup_read(key, SortedSet)
    scores = [None if zset is None else zset.score(member) for member in members]
    return [None if score is None else geo.string(score) for score in scores]


@command("GEOPOS", arity=-2, flags=READONLY, keys=one_key(RO, ACCESS), since="3.2.0",
         syntax="key [member [member ...]]")
def geopos(call: Call, key: bytes, *members: bytes) -> list[Any]:
    """Return longitude and latitude of members, null for each that is none.

    Complexity: O(1) for each member.
    """
    zset = call.db.lookup_read(key, SortedSet)
    scores = [None if zset is None else zset.score(member) for member in members]
    resp = call.client.resp
    return [NULL_ARRAY if score is None else [_degrees(degrees, resp) for degrees in geo.decode(score)]
            for score in scores]


@command("GEODIST", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="3.2.0",
         syntax="key member1 member2 [M | KM | FT | MI]")
def geodist(call: Call, key: bytes, first: bytes, second: bytes, *words: bytes) -> bytes | None:
    """Return the distance between two members, in metres by default; null when one is none.

    Complexity: O(1)
    """
    if len(words) > 1:
        raise syntax()
    metres = _unit(words[0]) if words else 1.0
    zset = call.db.lookup_read(key, SortedSet)
    if zset is None:
        return None
    a, b = zset.score(first), zset.score(second)
    if a is None or b is None:
        return None
    return _distance(geo.distance(*geo.decode(a), *geo.decode(b)) / metres)


# ---- searching
@dataclass
class Search:
    """What a search was told."""

    centre: tuple[float, float] | None = None
    from_member: bool = False
    shape: tuple[int, float, float] = (sorted_set_geo.CIRCLE, 0.0, 0.0)     # kind; radius, or width and height
    metres: float = 1.0             # in the unit of all lengths
    count: int = 0                  # 0 for all
    order: int = 0                  # 1 ascending, -1 descending by distance
    words: set[str] = field(default_factory=set)        # ANY, WITHDIST, WITHHASH, WITHCOORD, BYRADIUS, BYBOX
    destination: bytes | None = None
    by_distance: bool = False       # the scores stored are distances

    def circle(self, radius: float, metres: float) -> None:
        """BYRADIUS."""
        self.metres, self.shape = metres, (sorted_set_geo.CIRCLE, radius, 0.0)

    def box(self, width: float, height: float, metres: float) -> None:
        """BYBOX."""
        self.metres, self.shape = metres, (sorted_set_geo.BOX, width, height)

    def points(self, zset: SortedSet) -> Points:
        """All members inside the shape; with ANY only the first `count` found."""
        assert self.centre is not None
        kind, first, second = self.shape
        any_will_do = "ANY" in self.words
        limit = self.count if any_will_do else 0
        found = Points(zset, kind, self.centre, self.metres, first, second, limit)
        order = self.order or (1 if self.count and not any_will_do else 0)
        if order:
            found.order(order < 0, self.count)
        else:
            found.keep(self.count)
        return found


def _read_options(search: Search, words: Sequence[bytes], zset: SortedSet | None, modern: bool, storing: bool) -> None:
    """The options of both generations: `modern` is GEOSEARCH's, `storing` says whether this command may store."""
    at = 0

    def left(count: int) -> bool:
        return at + count < len(words)

    while at < len(words):
        name = words[at].decode("latin-1").upper()
        if name in ("WITHDIST", "WITHHASH", "WITHCOORD", "ANY"):
            search.words.add(name)
        elif name in ("ASC", "DESC"):
            search.order = 1 if name == "ASC" else -1
        elif name == "COUNT" and left(1):
            at += 1
            search.count = args.integer(words[at])
            if search.count <= 0:
                raise CommandError("ERR COUNT must be > 0")
        elif name in ("STORE", "STOREDIST") and left(1) and storing and not modern:
            at += 1
            search.destination = words[at]
            search.by_distance = name == "STOREDIST"
        elif name == "STOREDIST" and modern and storing:
            search.by_distance = True
        elif name == "FROMMEMBER" and left(1) and modern and (search.from_member or search.centre is None):
            at += 1
            search.from_member = True
            if zset is not None:
                search.centre = _position_of(zset, words[at])
        elif name == "FROMLONLAT" and left(2) and modern and not search.from_member:
            search.centre = _position(words[at + 1], words[at + 2])
            at += 2
        elif name == "BYRADIUS" and left(2) and modern and "BYBOX" not in search.words:
            search.circle(*_radius(words[at + 1], words[at + 2]))
            search.words.add(name)
            at += 2
        elif name == "BYBOX" and left(3) and modern and "BYRADIUS" not in search.words:
            search.box(*_box(words[at + 1], words[at + 2], words[at + 3]))
            search.words.add(name)
            at += 3
        else:
            raise syntax()
        at += 1


def _check_options(call: Call, search: Search, modern: bool) -> None:
    """What does not go together."""
    if search.destination is not None and search.words & {"WITHDIST", "WITHHASH", "WITHCOORD"}:
        who = "GEOSEARCHSTORE" if modern else "STORE option in GEORADIUS"
        raise CommandError(f"ERR {who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    called = call.argv[0].decode("utf-8", "surrogateescape")
    if modern and not search.from_member and search.centre is None:
        raise CommandError(f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {called}")
    if modern and not search.words & {"BYRADIUS", "BYBOX"}:
        raise CommandError(f"ERR exactly one of BYRADIUS and BYBOX can be specified for {called}")
    if "ANY" in search.words and not search.count:
        raise CommandError("ERR the ANY argument requires COUNT argument")


def _answer(call: Call, search: Search, zset: SortedSet | None) -> Any:
    """Search, then store or reply."""
    points = None if zset is None else search.points(zset)
    if search.destination is not None:
        pairs = [] if points is None else points.pairs(search.metres if search.by_distance else 0.0)
        event = "geosearchstore" if call.command.name.startswith("geosearch") else "georadiusstore"
        return store(call, search.destination, pairs, event, by=len(pairs))
    if points is None:
        return []
    wanted = ("WITHDIST" in search.words, "WITHHASH" in search.words, "WITHCOORD" in search.words)
    return points.reply(*wanted, search.metres, call.client.resp)


_AREA = (f"<FROMMEMBER member | FROMLONLAT longitude latitude> "
         f"<BYRADIUS radius {_UNIT_SYNTAX} | BYBOX width height {_UNIT_SYNTAX}>")
_UPPERCASE = ("7.0.0", "Added support for uppercase unit names.")
_ANY = ("6.2.0", "Added the `ANY` option for `COUNT`.")


@command("GEOSEARCH", arity=-7, flags=READONLY, keys=one_key(RO, ACCESS), since="6.2.0", history=(_UPPERCASE,),
         syntax=f"key {_AREA} [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]")
def geosearch(call: Call, key: bytes, *words: bytes) -> Any:
    """Return the members inside a circle or a box around a position or a member.

    ASC and DESC order by distance. COUNT takes the nearest ones, with ANY whichever are found first.

    Complexity: O(N+log(M)) where N is the number of members in the squares around the area and M how many are inside.
    """
    zset = call.db.lookup_read(key, SortedSet)
    search = Search()
    _read_options(search, words, zset, True, False)
    _check_options(call, search, True)
    return _answer(call, search, zset)


@command("GEOSEARCHSTORE", arity=-8, flags=WRITE | DENYOOM, since="6.2.0", history=(_UPPERCASE,),
         keys=keys(spec(OW, UPDATE), spec(RO, ACCESS, begin=2)),
         syntax=f"destination source {_AREA} [ASC | DESC] [COUNT count [ANY]] [STOREDIST]")
def geosearchstore(call: Call, destination: bytes, source: bytes, *words: bytes) -> int:
    """Store the members inside a circle or a box as a geo index, or with STOREDIST with their distances as scores.

    Complexity: O(N+log(M)) where N is the number of members in the squares around the area and M how many are inside.
    """
    zset = call.db.lookup_read(source, SortedSet)
    search = Search(destination=destination)
    _read_options(search, words, zset, True, True)
    _check_options(call, search, True)
    stored: int = _answer(call, search, zset)
    return stored


# ---- the older generation
def _georadius(call: Call, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes,
               words: Sequence[bytes], storing: bool) -> Any:
    zset = call.db.lookup_read(key, SortedSet)
    search = Search(centre=_position(longitude, latitude))
    search.circle(*_radius(radius, unit))
    _read_options(search, words, zset, False, storing)
    _check_options(call, search, False)
    return _answer(call, search, zset)


def _georadiusbymember(call: Call, key: bytes, member: bytes, radius: bytes, unit: bytes, words: Sequence[bytes],
                       storing: bool) -> Any:
    zset = call.db.lookup_read(key, SortedSet)
    search = Search()
    if zset is not None:
        search.centre = _position_of(zset, member)
        search.circle(*_radius(radius, unit))
    _read_options(search, words, zset, False, storing)
    _check_options(call, search, False)
    return _answer(call, search, zset)


def _read_stored_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """The source, and the last STORE or STOREDIST."""
    stored = 0
    at = 5
    while at + 1 < len(argv):
        if argv[at].upper() in (b"STORE", b"STOREDIST"):
            at += 1
            stored = at
        at += 1
    return [KeyReference(1, (RO, ACCESS))] + ([KeyReference(stored, (OW, UPDATE))] if stored else [])


def _stored_keys(start: int) -> Keys:
    """The keys of a command whose options begin at index `start`."""
    return keys(spec(RO, ACCESS), spec(OW, UPDATE, begin=("keyword", "STORE", start)),
                spec(OW, UPDATE, begin=("keyword", "STOREDIST", start)), reader=_read_stored_keys)


_FOUND = "[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]"
_STORED = f"{_FOUND} [STORE key | STOREDIST key]"


@command("GEORADIUS", arity=-6, flags=WRITE | DENYOOM, keys=_stored_keys(6), since="3.2.0", history=(_ANY, _UPPERCASE),
         syntax=f"key longitude latitude radius {_UNIT_SYNTAX} {_STORED}",
         deprecated=("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"))
def georadius(call: Call, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes,
              *words: bytes) -> Any:
    """Return or store the members up to a distance from a position.

    Complexity: O(N+log(M)) where N is the number of members in the squares around the circle and M how many are inside.
    """
    return _georadius(call, key, longitude, latitude, radius, unit, words, True)


@command("GEORADIUS_RO", arity=-6, flags=READONLY, keys=one_key(RO, ACCESS), since="3.2.10", history=(_ANY,),
         syntax=f"key longitude latitude radius {_UNIT_SYNTAX} {_FOUND}",
         deprecated=("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"))
def georadius_ro(call: Call, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes,
                 *words: bytes) -> Any:
    """Return the members up to a distance from a position.

    Complexity: O(N+log(M)) where N is the number of members in the squares around the circle and M how many are inside.
    """
    return _georadius(call, key, longitude, latitude, radius, unit, words, False)


@command("GEORADIUSBYMEMBER", arity=-5, flags=WRITE | DENYOOM, keys=_stored_keys(5), since="3.2.0",
         history=(_UPPERCASE,), syntax=f"key member radius {_UNIT_SYNTAX} {_STORED}",
         deprecated=("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"))
def georadiusbymember(call: Call, key: bytes, member: bytes, radius: bytes, unit: bytes, *words: bytes) -> Any:
    """Return or store the members up to a distance from a member.

    Complexity: O(N+log(M)) where N is the number of members in the squares around the circle and M how many are inside.
    """
    return _georadiusbymember(call, key, member, radius, unit, words, True)


@command("GEORADIUSBYMEMBER_RO", arity=-5, flags=READONLY, keys=one_key(RO, ACCESS), since="3.2.10",
         syntax=f"key member radius {_UNIT_SYNTAX} {_FOUND}",
         deprecated=("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"))
def georadiusbymember_ro(call: Call, key: bytes, member: bytes, radius: bytes, unit: bytes, *words: bytes) -> Any:
    """Return the members up to a distance from a member.

    Complexity: O(N+log(M)) where N is the number of members in the squares around the circle and M how many are inside.
    """
    return _georadiusbymember(call, key, member, radius, unit, words, False)
