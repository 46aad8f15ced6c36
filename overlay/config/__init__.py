"""Settings: one tree of values, every fault reported at once."""
