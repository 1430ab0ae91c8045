"""Figures to a receiver of Prometheus remote write 1.0: those of the past with the times that the logs give them."""
