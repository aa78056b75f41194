"""Tests of src.trainer."""
