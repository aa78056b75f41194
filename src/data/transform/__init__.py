"""From stored samples to what a net sees: augmentation, mixing, normalisation."""
