"""Benchmark datasets, one file each, and the scene generator."""
