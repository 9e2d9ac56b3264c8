"""Watches a session: user's statements → Trace."""
