"""What carries a training: processes, progress, checkpoints, EMA, losses, the run key."""
