"""Model bundles: load, run with ONNX Runtime, describe. The shipped bundle lies here."""
