"""Tokenizers, normalisation (Arabic too) and language detection."""
