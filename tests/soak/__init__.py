"""Long trials of what a test can only sample: python -m tests.soak."""
