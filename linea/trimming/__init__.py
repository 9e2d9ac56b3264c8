"""A slice's statements → the same, cut inside: blocks and functions without what nothing rests on.

Observation shows which statements ran and what they changed, not what happened inside them. Here
the text decides: a program dependence graph over the names of one block (Ferrante, Ottenstein
and Warren, TOPLAS 1987), with names that may share an object taken together. A statement is left
out only when its text shows that all it does is bind or change names that nothing kept reads;
whatever the text leaves open is kept.
"""

from __future__ import annotations

from linea.trimming.lines import Line, stands_alone, whole
from linea.trimming.program import Piece, trim
from linea.trimming.saved import Call, Saved
from linea.trimming.skeleton import Skeleton, skeleton
from linea.trimming.words import mentions_in

__all__ = [
    "Call",
    "Line",
    "Piece",
    "Saved",
    "Skeleton",
    "mentions_in",
    "skeleton",
    "stands_alone",
    "trim",
    "whole",
]
