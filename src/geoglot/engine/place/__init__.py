"""Telling places apart: local descriptors are trained on views of one picture, exported, and measured."""
