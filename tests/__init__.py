"""Tests: names are claims, checks are independent of the code."""
