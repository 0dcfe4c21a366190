"""Descriptors: a picture to one vector, to compare image retrieval methods with."""
