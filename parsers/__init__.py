"""Bytes to events: the block scanner, the rule engine, payload readers, time stamps and the timeline.

Touches no file, no clock and no network: what it must know of the world is passed in.
"""
