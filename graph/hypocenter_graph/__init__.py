"""The dependency graph: topology, ranking of suspects, and the evidence for and against them."""
