"""What a run is made of: schema, check before compute, allow-listed build."""
