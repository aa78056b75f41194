"""An experiment framework: one command composes a run, trains it with Lightning and records it."""
