"""The application around the flows: command line, configuration, supervisor, services, reports, demo."""
