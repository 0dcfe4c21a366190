"""Pure functions of arrays: ranking metrics and their intervals. NumPy only."""
