"""What the training stages share: seeds, params, the division of the clips, logs."""
