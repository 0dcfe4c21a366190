"""Referring segmentation: training of a method, saved masks, measures of them, tables."""
