"""Learning from confirmed incidents: features, fault types, a ranker of suspects, and what admits them to serve."""
