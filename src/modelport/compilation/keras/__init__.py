"""Models of Keras and SavedModels of TensorFlow as ONNX graphs, made by tf2onnx and held against the original."""
