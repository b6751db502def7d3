"""The war room's wall page and its JSON API: reads Redis, writes nothing."""
