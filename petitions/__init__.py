"""Petitions, their addressees, the signatures under them and the public counts."""
