"""Discovery: what each source says of the graph, one file per source, each a pure function to `Discovered`."""
