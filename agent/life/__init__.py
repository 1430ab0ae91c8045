"""The life of a run, decided from its events and the time that passes: starting, running, stalled, ended, and how."""
