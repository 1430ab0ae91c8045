"""Telling people: messages from the outbox to a webhook, each at least once, as good as never twice."""
