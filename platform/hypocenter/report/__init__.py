"""A verdict as one HTML file that needs nothing else."""

from hypocenter.report.page import render

__all__ = ["render"]
