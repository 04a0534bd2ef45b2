"""Seeing inside: the log, counters, slow log, latency events, monitors, memory accounting.

Called by every room above it; looks at numbers that others keep, and changes nothing of the data.
"""
