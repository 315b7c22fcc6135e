"""What tells people and programs outside, one file per way."""
