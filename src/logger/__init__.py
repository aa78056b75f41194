"""Lightning loggers beside those that Lightning brings."""
