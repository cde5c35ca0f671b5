"""Pose estimators that process frames: MoveNet, OpenPose, RTMO and RTMPose."""
