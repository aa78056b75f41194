"""Pictures: arrays in, a matplotlib Figure out; no files."""
