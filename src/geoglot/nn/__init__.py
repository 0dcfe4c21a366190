"""Mathematics with no paper's name."""
