"""Incident history: what other tools wrote down about past incidents, in the words of the domain."""
