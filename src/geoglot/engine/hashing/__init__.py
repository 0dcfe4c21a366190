"""Hashing: data, training, evaluation, export and tables of the methods in ``geoglot.methods.hashing``."""
