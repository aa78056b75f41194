"""A sweep: several runs from one command. Each job runs once, and how they stand is told at the end."""
