"""The Grafana dashboards: defined as data, built with grafana-foundation-sdk, published as JSON."""
