"""Whatever is typed, lies on a disk or happens to a run, in random order, holds to what must hold (hypothesis)."""
