"""Scores to the result table: methods, predictions, comparisons, result files."""
