"""Training and export of the segmenter that ships."""
