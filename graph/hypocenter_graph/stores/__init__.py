"""Where claims on the graph are kept: in memory (and a file), or in Neo4j; one contract for both."""
