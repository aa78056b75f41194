"""Lightning's Trainer, extended."""
