"""Measurements. Figures are compared within one run only: `make bench`."""
