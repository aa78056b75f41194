"""The run folder: claimed, recorded, found, loaded. Importing it imports no torch."""

from src.run.trained import Trained, load

__all__ = ["Trained", "load"]
