"""The mechanisms for "declared once": commands, key positions, arguments, replies, errors, directives, the clock.

Called by every room above; knows nothing of them. Declarations themselves stand with what they declare.
"""
