"""Running a slice again, and putting stored things back on disk."""
