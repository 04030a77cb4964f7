"""Classes and functions that were defined in a notebook: their source is found, saved beside the model, and imported again."""
