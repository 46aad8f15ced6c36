"""`python -m overlay`: the same as `overlay`."""

from __future__ import annotations

import sys

from overlay.cli import main

if __name__ == "__main__":
    sys.exit(main())
