"""Negative policies: a Run or a Collection -> training groups."""
