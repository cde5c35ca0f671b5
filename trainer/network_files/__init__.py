"""Networks on disk: safetensors, received weights, ONNX export."""
