"""IPython start-up file: loads linea in every session. Copy it to ~/.ipython/profile_default/startup/."""

try:
    get_ipython().run_line_magic("load_ext", "linea")  # noqa: F821 - IPython provides it
except Exception:  # noqa: BLE001, S110 - a start-up file must never keep a session from starting
    pass
