"""What every group of params is: frozen, exactly typed, every key known and described."""

from __future__ import annotations

from stroi.trainer.config import Positive, Settings, Share

__all__ = ["ParamsModel", "Positive", "Share"]


class ParamsModel(Settings):
    """A group of params of the pipeline."""
