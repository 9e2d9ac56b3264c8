"""`python -m linea` is the `linea` command."""

from linea.cli.app import main

if __name__ == "__main__":
    raise SystemExit(main())
