"""Runs beside each other: gathered from their folders, folded over seeds, as tables and as a page. No torch."""
