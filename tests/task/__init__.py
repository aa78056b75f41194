"""Claims about src/model."""
