"""What can be looked at or kept: the live curve, figures that stay, a chapter's plots, files."""
