"""Cooks of which the jobs are those of an HQueue farm."""
