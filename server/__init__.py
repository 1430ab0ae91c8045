"""Prometheus, Tempo and Grafana on this machine: installed, configured, started, watched and stopped."""
