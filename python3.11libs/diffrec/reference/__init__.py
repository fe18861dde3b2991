"""Meshes as others leave them: Wavefront OBJ and MTL files, and the pictures that they name.

Trainer and doctor read by the same modules: they run under any Python from 3.9 on, without PyTorch;
only ``maps`` needs NumPy and OpenCV. What is passed over on the way is told in warnings.
"""
