"""A run is asked about by somebody who does not watch it."""
