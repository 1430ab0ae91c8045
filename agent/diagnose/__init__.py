"""Why did it fail, or why does it hang? From the logs alone, or from a store: the first cause, and what followed."""
