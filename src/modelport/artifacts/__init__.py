"""Files that models are saved to: what they are, their digests, their loaders, and samples of training data."""
