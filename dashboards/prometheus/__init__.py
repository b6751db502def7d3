"""Prometheus rules and Alertmanager routes: defined as data, published as YAML, tested with promtool."""
