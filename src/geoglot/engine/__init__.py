"""Training loop, prediction, evaluation of saved predictions, checkpoints and export."""
