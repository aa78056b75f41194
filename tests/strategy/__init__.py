"""Claims about src/strategy."""
