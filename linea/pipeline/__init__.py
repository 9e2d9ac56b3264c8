"""From artifacts to code that others run."""
