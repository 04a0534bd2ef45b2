"""The tests: the same rooms as the product, plus what holds them all (architecture, properties, fuzz, support)."""
