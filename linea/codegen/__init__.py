"""Slices → code that people read: a script, a function, a module with one function a result."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linea.codegen import chunks, parts, plan, text
from linea.codegen.parameters import find_parameter
from linea.codegen.parts import Part
from linea.model import Slice

__all__ = ["Part", "function", "function_name", "module", "script"]


def script(slice: Slice) -> str:
    """Return a slice as a program of its own."""
    return slice.code if slice.code.endswith("\n") else slice.code + "\n"


def function_name(artifact: str) -> str:
    """The name of the function that makes an artifact, where nothing else has that name."""
    return f"make_{parts.identifier(artifact)}"


def module(artifacts: Sequence[Part], *, input_parameters: Sequence[str] = ()) -> str:
    """Return a module that makes `artifacts`: a function each, `run_all()`, a command line.

    Steps that they share run once; a `linea.get` of one in the slice of another becomes an
    argument. Each name of `input_parameters` becomes a parameter with its recorded value as
    the default.
    """
    return text.render(plan.plan(artifacts, input_parameters))


def function(code: str, name: str, *, result: str | None, parameters: Sequence[str] = ()) -> str:
    """Return a slice as one function that returns `result`, imports and helpers included."""
    prepared = parts.prepare(Part(name, code, result), {})
    given = [find_parameter(parameter, [prepared]) for parameter in parameters]
    body = [text.docstring(f"Make {name}.")]
    body += map(text.default_value, filter(text.is_mutable, given))
    body += text.statements([item.chunk for item in prepared.items if item.kind == "step"])
    body.append(f"return {prepared.result}")
    head = text.fitted(f"def {parts.identifier(name)}(", list(map(text.signature, given)), "):")
    made = head + "\n" + chunks.indent("\n".join(body)) + "\n"
    ast.parse(made)
    return made
