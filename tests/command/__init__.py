"""Tests of `src.command`."""
