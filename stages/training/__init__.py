"""What the training stages share.

- `run_split`: the run's training, validation and test clips
- `configs`: the trainer's settings, from the params and the device
- `inputs`: what the graph network sees, and its joint weights
- `outputs`: networks and scores, a folder per seed
- `training_log`: progress, learning curve, times, TensorBoard
"""
