"""Matching methods: two images to a probability that they show the same kind of place."""
