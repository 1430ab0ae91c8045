"""Detectors of learning failures: what a run's figures say about whether it still learns. No clock, no I/O."""
