"""Tests of src.fit."""
