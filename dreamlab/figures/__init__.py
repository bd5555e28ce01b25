"""What can be looked at or kept: the live curve, figures, plots, files that remember."""
