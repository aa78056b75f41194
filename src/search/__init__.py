"""Sweeps whose jobs follow from earlier ones: spaces, Optuna's study, pruning, the best config."""
