"""What is kept for good, each kind behind a Protocol: incident history, feedback and models."""
