"""Lightning's Trainer, and the life of a run in it."""
