"""params.yaml and profiles: one frozen model per stage, read strictly."""
