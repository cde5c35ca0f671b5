"""What is measured of scores: accuracy, significance, late fusion."""
