"""Matching: data, training, scores, evaluation and tables of the methods in ``geoglot.methods.matching``."""
