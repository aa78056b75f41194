"""Claims about src/callback."""
