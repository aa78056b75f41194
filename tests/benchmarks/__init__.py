"""What the framework costs in time and memory, each figure against another side measured beside it."""
