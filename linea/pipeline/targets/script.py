"""A plan → one Python program with a command line."""

from __future__ import annotations

from linea.pipeline.plan import Plan
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import dockerfile, no_schedule, requirements


def render(plan: Plan, options: Options) -> dict[str, str]:
    no_schedule(options, "a script")
    image = dockerfile(plan, options).replace(
        f"{plan.identifier}_tasks.py", f"{plan.identifier}.py"
    )
    image = image.rpartition("CMD")[0].replace("ENV PIPELINE_PROJECT=/app\n", "")
    return {
        f"{plan.identifier}.py": plan.module,
        "requirements.txt": requirements(plan),
        "Dockerfile": image,
    }
