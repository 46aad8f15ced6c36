"""Circuits I open, circuits I carry (protocol section 7)."""
