"""Files that may be a stranger's: one against its manifest, and the limits of who reads it."""
