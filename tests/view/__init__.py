"""Tests of src/run/compare."""
