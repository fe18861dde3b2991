"""Scenes with known maps, lights and pictures, and what a training recovers of them."""
