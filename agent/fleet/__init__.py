"""All runs at once, the one that needs somebody first: by this machine's stores, or a Prometheus of many machines."""
