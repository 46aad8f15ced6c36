"""Ways two hosts behind NATs may meet: one file each, and `choose`, the table of which suits whom."""
