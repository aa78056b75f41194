"""Claims about src/logger."""
