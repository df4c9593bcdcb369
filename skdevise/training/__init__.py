"""Training loop shared by projections and visual networks."""
