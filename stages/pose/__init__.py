"""From frames to tracked skeletons.

source (settled once per data set), registry and estimator (which estimator), detect (everybody in a
clip), sampled, detections, layouts; estimators/, readers/ (OpenPose's JSON, a Kinect's files) and
tracking/ (identity over time, and who counts).
"""
