"""Traces in Chrome's event format that run beside the logs: Ray's timeline, torch's profiler, rank by rank."""
