"""Tests of src/config."""
