"""Referring segmentation methods: a picture and a phrase to a map of what the phrase speaks of."""
