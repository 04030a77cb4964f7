"""Models that were saved in several pieces: a classifier here, its scaler, encoder or list of columns there."""
