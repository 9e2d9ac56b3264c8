"""IPython start-up file that loads linea in every session.

Copy it to ~/.ipython/profile_default/startup/.
"""

import contextlib

with contextlib.suppress(Exception):  # a start-up file must never keep a session from starting
    get_ipython().run_line_magic("load_ext", "linea")  # noqa: F821 - IPython provides it
