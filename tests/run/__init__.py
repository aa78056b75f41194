"""Tests of src/run."""
