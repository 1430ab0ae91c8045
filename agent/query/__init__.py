"""Questions about one run, answered from its store, read only: what the page, reports and comparisons show."""
