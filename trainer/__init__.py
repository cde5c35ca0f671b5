"""Models, batches, one flat training loop, evaluation. Knows `stroi.cache` alone."""
