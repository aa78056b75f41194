"""Claims about src/plot."""
