"""Shared ground: everything two domains need, and nothing that belongs to one of them."""
