"""A plan → components and a pipeline for Kubeflow Pipelines v2."""

from __future__ import annotations

from linea.codegen.parameters import Parameter
from linea.codegen.parts import quote
from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import (
    argument,
    call,
    dockerfile,
    indented,
    keywords,
    no_schedule,
    package,
)  # fmt: skip

HEAD = '''\
"""{title}

    python {name}_kubeflow.py          writes {name}.yaml, to be uploaded

Each task runs in the image ${{PIPELINE_IMAGE}}, which the Dockerfile beside this builds; values
go between tasks as artifacts, which are folders.
"""

import os
from pathlib import Path

from kfp import compiler, dsl

IMAGE = os.environ.get("PIPELINE_IMAGE", {image})
CODE = os.environ.get("PIPELINE_CODE", {code})


'''


def render(plan: Plan, options: Options) -> dict[str, str]:
    no_schedule(options, "a compiled pipeline")
    name = plan.identifier
    place = "" if options.place == "." else f"{options.place}/"
    text = HEAD.format(
        title=f"{plan.name}: {len(plan.tasks)} tasks.", name=name,
        image=quote(options.image or f"{name.lower()}:latest"),
        code=quote(f"/app/{place}{name}_tasks.py"),
    )  # fmt: skip
    text += "\n\n\n".join(component(plan, task) for task in plan.tasks)
    signature = [*map(typed_argument, plan.parameters), "code: str = CODE"]
    body = []
    awaited = {name for task in plan.tasks for name in task.upstream}
    for task in plan.tasks:
        given = [f'{each}={each}_run.outputs["values"]' for each in task.suppliers]
        given += [f"{p}={p}" for p in task.parameters] + ["code=code"]
        after = [f"{each}_run" for each in task.upstream if each not in task.suppliers]
        used = task.name in awaited or after or options.retries is not None
        body.append(call(f"{task.name}_run = {task.name}(" if used else f"{task.name}(", given))
        if after:
            body.append(f"{task.name}_run.after({', '.join(after)})")
        if options.retries is not None:
            body.append(f"{task.name}_run.set_retry(num_retries={options.retries})")
    settings = [f"name={quote(name.replace('_', '-').lower())}", *keywords(options.settings)]
    text += (
        f"\n\n\n@dsl.pipeline({', '.join(settings)})\n{call(f'def {name}(', signature, '):')}\n"
        f"{indented(body)}\n\n\n"
        'if __name__ == "__main__":\n'
        f'    target = Path(__file__).with_name("{name}.yaml")\n'
        f"    compiler.Compiler().compile({name}, str(target))\n"
    )
    common = package(plan, options)
    common["Dockerfile"] = dockerfile(plan, options, "RUN pip install --no-cache-dir 'kfp>=2,<3'")
    return {**common, f"{name}_kubeflow.py": text}


def typed_argument(parameter: Parameter) -> str:
    """An argument of a pipeline; None goes as a text, as kfp's runners know no empty default."""
    if parameter.kind == "none":
        return f'{parameter.name}: str = "None"'
    return argument(parameter)


def component(plan: Plan, task: Task) -> str:
    parameters = {p.name: p for p in plan.parameters}
    given = ["values: dsl.Output[dsl.Artifact]"]
    given += [f"{each}: dsl.Input[dsl.Artifact]" for each in task.suppliers]
    given += [typed_argument(parameters[name]).partition(" = ")[0] for name in task.parameters]
    given.append("code: str")
    made = ", ".join(task.artifacts.values()) or ", ".join(task.outputs)
    made = made.replace("\\", "\\\\").replace('"', "'")
    command = ["sys.executable", "code", quote(task.name), '"--run-dir"', '"."', '"--output"']
    command.append("values.path")
    body = [
        f'"""Make {made}."""',
        "import subprocess",
        "import sys",
        "",
        call("command = [", command, "]"),
    ]
    for each in task.suppliers:
        body.append(f'command += ["--input", f"{each}={{{each}.path}}"]')
    for each in task.parameters:
        body.append(f'command += ["--param", f"{each}={{{each}}}"]')
    body.append("subprocess.run(command, check=True)")
    return (
        "@dsl.component(base_image=IMAGE, install_kfp_package=False)\n"
        f"{call(f'def {task.name}(', given, '):')}\n{indented(body)}"
    )
