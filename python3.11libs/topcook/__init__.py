"""Cooks a TOP network of a .hip scene without Houdini."""
