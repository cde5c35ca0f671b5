"""One module per pipeline stage, and what only the stages use."""
