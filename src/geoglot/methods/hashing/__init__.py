"""Hashing methods: images and texts to binary codes."""
