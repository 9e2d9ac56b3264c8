"""Versions in a bare git repository: moves bytes and digests, never asks what they mean."""
