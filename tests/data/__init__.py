"""Claims about src/data."""
