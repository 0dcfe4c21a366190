"""Image-text retrieval methods."""
