"""Parallel maps over clips, with progress."""
