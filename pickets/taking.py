"""The numbers that taking part goes by, which the form explains and the worker decides by."""

MAX_ALIAS = 40
"""Characters."""
MOST_PEOPLE = 20
"""Whom one visitor can announce at once, themselves included."""
MOST_SHIFTS = 4
"""Of one participant."""
