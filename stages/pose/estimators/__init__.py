"""Pose estimators that look at frames."""
