"""Pixels: videos and image folders, opened safely and read frame by frame."""
