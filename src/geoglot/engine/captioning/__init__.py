"""Captioning: data, training, captions, evaluation and tables of the methods in ``geoglot.methods.captioning``."""
