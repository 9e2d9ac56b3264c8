"""The time that capture may take: a part of the user's own."""

from __future__ import annotations

SHARE = 0.03
"""The part of the user's own run time that capture may take …"""
FLOOR = 0.25
"""… on top of this many seconds in all …"""
STEP = 0.004
"""… and this many seconds a statement."""
CHEAP = 0.002
"""What costs less than this many seconds isn't worth remembering."""


class Budget:
    """Seconds spent by the user's program and by capture, and what each name costs to look at."""

    def __init__(self) -> None:
        self.user_seconds = 0.0
        self.own_seconds = 0.0
        self._costs: dict[str, float] = {}

    def allowance(self, steps: int) -> float:
        """Seconds that may go into one name after `steps` statements."""
        budget = FLOOR + STEP * (steps + 1) + SHARE * self.user_seconds
        return max(budget - self.own_seconds, STEP)

    def affords(self, name: str, allowance: float) -> bool:
        """Whether looking at `name` costs no more than `allowance`, going by the last time."""
        return self._costs.get(name, 0.0) <= allowance

    def spent(self, name: str, seconds: float) -> None:
        """Looking at `name` took `seconds`."""
        if seconds > CHEAP:
            self._costs[name] = seconds
        else:
            self._costs.pop(name, None)
