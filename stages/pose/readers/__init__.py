"""Poses that others estimated: OpenPose JSON, a Kinect's files."""
