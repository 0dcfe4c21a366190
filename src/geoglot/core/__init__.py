"""Records, errors, the plug-in registry, run folders and seeds. NumPy only."""
