"""Artifacts → a plan of tasks, code for the engines that run such plans, and runs of its own."""
