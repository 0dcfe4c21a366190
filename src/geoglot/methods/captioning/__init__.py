"""Captioning methods: the stage map of an image to a sentence."""
