"""Where samples come from: a file for each family of datasets, and what all of them need."""
