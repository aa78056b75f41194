"""Tests of src/sweep."""
