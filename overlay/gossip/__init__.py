"""What each node says of itself, signed, and its spread (protocol section 8)."""
