"""Answers about versions, read from the store alone."""
