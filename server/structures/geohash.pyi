def encode(longitude: float, latitude: float) -> int:
    """The 52-bit geohash of a position, which is its score. ValueError outside -180..180, -85.05112878..85.05112878."""

def decode(score: float) -> tuple[float, float]:
    """The middle of the cell that a score names: longitude, latitude."""

def string(score: float) -> bytes:
    """The standard geohash of a score, as GEOHASH replies it: 11 characters."""

def degrees(value: float) -> bytes:
    """A coordinate with up to 17 decimals, as GEOPOS replies it."""

def distance(longitude1: float, latitude1: float, longitude2: float, latitude2: float) -> float:
    """Metres between two positions."""

class Shape:
    """A search area, made by `circle` or `box`."""

    @staticmethod
    def circle(longitude: float, latitude: float, radius: float, conversion: float = 1.0) -> Shape:
        """All positions up to a radius from the centre; conversion is metres in the radius's unit."""

    @staticmethod
    def box(longitude: float, latitude: float, width: float, height: float, conversion: float = 1.0) -> Shape:
        """All positions up to half the width and half the height from the centre; conversion as for a circle."""

    def ranges(self) -> list[tuple[float, float]]:
        """Score ranges (low <= score < high) that cover the shape, in the order in which Redis looks them through."""

    def bounding_box(self) -> tuple[float, float, float, float]:
        """Degrees: longitude from, latitude from, longitude to, latitude to."""

    def within(self, score: float) -> tuple[float, float, float] | None:
        """(longitude, latitude, metres from the centre) of a score inside the shape, else None."""
