"""RL-state intervals as spans by OTLP/HTTP: read from the store, laid out as traces, sent until they arrive."""
