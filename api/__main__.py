"""``python -m stroi``: the same as the command ``stroi``."""

from __future__ import annotations

from stroi.pipeline.cli import main

if __name__ == "__main__":
    main()
