"""Claims about src/net."""
