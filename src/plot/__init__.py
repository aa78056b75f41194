"""Pictures: arrays in, matplotlib Figure out; no files, no state."""
