"""What inference engines, routers and queues say at their own `/metrics`, asked by the agent itself: a run needs no
Prometheus for it."""
