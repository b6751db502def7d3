"""The pieces of the pipeline, one subject a file. No wiring, no reading of configuration."""
