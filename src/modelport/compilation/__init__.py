"""Compilation with verified parity: saved models become ONNX graphs that give the very answers of the originals.

`compile_model` converts and compares; what it returns is saved to a folder and read again by `open_compiled`, which needs
neither the training libraries nor onnx.
"""
