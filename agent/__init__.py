"""rli-agent: reads what an RL post-training run prints and says how it is doing."""

__version__ = "0.1.0"
