"""The index of a data set: table, splits, leaks, checks."""
