"""From the command line to one composed, checked config and one clear error."""
