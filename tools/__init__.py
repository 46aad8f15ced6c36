"""Tools for those who build this: none of them ships in the wheel, and nothing of the network leans on them."""
