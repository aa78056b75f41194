"""LightningModules around nets: loss, metrics, optimizer, schedule."""
