"""How hardware is used; importing a strategy's file makes its name known to Lightning."""
