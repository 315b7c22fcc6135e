"""Telemetry that is pushed to us: one module per wire format, bytes in, typed batches out."""
