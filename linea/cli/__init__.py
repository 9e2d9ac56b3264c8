"""The `linea` command."""
