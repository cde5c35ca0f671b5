"""People from files in place of an estimator: OpenPose's JSON folders, a Kinect's skeletons."""
