"""Reports: one HTML file each, of what a search found and of how a run went."""
