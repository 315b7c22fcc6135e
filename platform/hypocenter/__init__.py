"""Hypocenter finds where an incident began: the words, the edges and the state of the platform."""

__version__ = "0.1.0"
