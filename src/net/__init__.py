"""Architectures as plain nn.Modules: no Lightning, no Hydra, no device."""
