"""All text files of a run as one log, in the order of time."""
