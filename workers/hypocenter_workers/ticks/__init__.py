"""Detection without end: shards of series, scored step by step as their samples come."""
