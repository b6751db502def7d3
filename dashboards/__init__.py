"""What people look at: dashboards, rules and pages. Reads Redis and Prometheus only."""
