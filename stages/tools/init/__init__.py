"""What `stroi init` does: look at the videos, choose a split, write a profile, link the data."""
