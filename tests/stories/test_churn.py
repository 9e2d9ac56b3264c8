"""Six weeks of three people's work on customers who leave, questioned through the installed command."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from inline_snapshot import snapshot

from tests.stories.conftest import Project

pytestmark = pytest.mark.slow


class Shell:
    """Asks the project, with what changes from machine to machine masked."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.status = 0
        self.err = ""

    def __call__(self, line: str) -> str:
        done = self.project.run(f"linea {line}")
        self.status, self.err = done.status, self._masked(done.err)
        return self._masked(done.out)

    def json(self, line: str) -> Any:
        return json.loads(self.project.run(f"linea {line} --json").out)

    def _masked(self, text: str) -> str:
        text = re.sub(r"xxh3:1:[0-9a-f]{32}", "DIGEST", text)
        text = re.sub(r"\b[0-9a-f]{40}\b", "COMMIT", text)
        text = re.sub(r"(?<=  )[0-9a-f]{7}(?=  )", "ccccccc", text)
        return re.sub(r"\d[\d.]* (?:ms|s)\b", "TIME", text)


@pytest.fixture(scope="module")
def ask(churn: Project) -> Shell:
    return Shell(churn)


# ----------------------------------------------------------------------- what there is, what happened


def test_what_there_is(ask: Shell) -> None:
    """Five artifacts of four kinds."""
    assert ask("ls") == snapshot("""\
churn_model  v3  2 weeks ago  model   LogisticRegression(C=0.01, max_iter=500)
churn_plot   v3  1 week ago   figure  figure with 1 axes: Churn by plan
customers    v3  1 week ago   table   33 rows × 5 columns
features     v3  3 weeks ago  table   43 rows × 8 columns                       [january]
metrics      v3  2 weeks ago  data    dict of 3
""")
    assert [each["kind"] for each in ask.json("ls")] == snapshot(
        ["model", "figure", "table", "table", "data"]
    )


def test_what_happened_to_the_features(ask: Shell) -> None:
    """Newest first: a statement that came, a parent in a newer version, the first."""
    assert ask("log features") == snapshot("""\
v3  ccccccc  3 weeks ago  ✓  [january] code features.py:16 features["per_euro"] = featu… ⇒ +per_euro
v2  ccccccc  1 month ago     from customers v1 → v2 ⇒ +4 rows, total_minutes: int64 → float64
v1  ccccccc  1 month ago     from customers@v1, data/usage.csv
""")


def test_what_happened_to_all(ask: Shell) -> None:
    """Each version with its reason: code by its cell, data by its file, parents by their versions."""
    assert ask("log --oneline") == snapshot("""\
churn_plot@v3   ccccccc     code clean.ipynb [6]:1 customers = customers[customer… ⇒ another picture
customers@v3    ccccccc     code clean.ipynb [6]:1 customers = customers[customers["plan… ⇒ −10 rows
churn_model@v3  ccccccc     code train.ipynb [3]:2 C = 0.01 ⇒ C 1.0 → 0.01
metrics@v3      ccccccc     code train.ipynb [3]:2 C = 0.01 · from churn_m… ⇒ accuracy 0.744 → 0.721
churn_model@v2  ccccccc     code train.ipynb [3]:1 columns = ["monthly", "total_minut… ⇒ fitted anew
metrics@v2      ccccccc     code train.ipynb [3]:1 columns = ["m… ⇒ accuracy 0.718 → 0.744, rows 39…
features@v3     ccccccc  ✓  [january] code features.py:16 features["per_euro"] = featur… ⇒ +per_euro
features@v2     ccccccc     from customers v1 → v2 ⇒ +4 rows, total_minutes: int64 → float64
churn_plot@v2   ccccccc     data data/customers.csv changed · from customers v1 →… ⇒ another picture
customers@v2    ccccccc     data data/customers.csv changed ⇒ +4 rows
churn_model@v1  ccccccc     from features@v1
metrics@v1      ccccccc     from features@v1, churn_model@v1
features@v1     ccccccc     from customers@v1, data/usage.csv
churn_plot@v1   ccccccc     from customers@v1, data/customers.csv
customers@v1    ccccccc     from data/customers.csv
""")


def test_what_one_person_did_lately(ask: Shell) -> None:
    """By author and by date."""
    assert ask('log --author chris --since "4 weeks ago"') == snapshot("""\
churn_model@v3  ccccccc  2 weeks ago  code train.ipynb [3]:2 C = 0.01 ⇒ C 1.0 → 0.01
metrics@v3      ccccccc  2 weeks ago  code train.ipynb [3]:2 C = 0.01 · fr… ⇒ accuracy 0.744 → 0.721
churn_model@v2  ccccccc  3 weeks ago  code train.ipynb [3]:1 columns = ["monthly", "t… ⇒ fitted anew
metrics@v2      ccccccc  3 weeks ago  code train.ipynb [3]:1 columns… ⇒ accuracy 0.718 → 0.744, row…
""")
    assert [each["revision"] for each in ask.json("log --until 2026-02-04")] == snapshot(
        ["features@v1", "churn_plot@v1", "customers@v1"]
    )


def test_how_the_code_changed(ask: Shell) -> None:
    """With the patch, the facts, and at most one."""
    assert ask("log -p --stat -n 1 metrics") == snapshot("""\
v3  ccccccc  2 weeks ago  code train.ipynb [3]:2 C = 0.01 · from churn_mod… ⇒ accuracy 0.744 → 0.721
    +1 −1 lines · dict of 3 · 77 B · took TIME · Chris
    @@ −2 +2 @@
     from sklearn.linear_model import LogisticRegression
     features = linea.get("features").get_value()
     columns = ["monthly", "total_minutes", "per_euro"]
    -C = 1.0
    +C = 0.01
     model = LogisticRegression(C=C, max_iter=500)
     model.fit(features[columns], features["churned"])
     accuracy = round(model.score(features[columns], features["churned"]), 3)

""")


def test_the_lineage_over_time(ask: Shell) -> None:
    """Across artifacts as a graph."""
    assert ask("log --graph metrics -n 6") == snapshot("""\
●  metrics@v3  2 weeks ago  code train.ipynb [3]:2 C = 0.01 · from churn_m… ⇒ accuracy 0.744 → 0.721
├─┬─╮
│ │ ●  churn_model@v3  2 weeks ago  code train.ipynb [3]:2 C = 0.01 ⇒ C 1.0 → 0.01
│ ├─┤
● │ │  metrics@v2  3 weeks ago  code train.ipynb [3]:1 columns =… ⇒ accuracy 0.718 → 0.744, rows 3…
├─┼─┤
│ │ ●  churn_model@v2  3 weeks ago  code train.ipynb [3]:1 columns = ["monthly", "tot… ⇒ fitted anew
│ ├─┤
│ ● │  features@v3  3 weeks ago  code features.py:16 features["per_euro"] = features["t… ⇒ +per_euro
│ ├─┼─╮
│ ● │ │  features@v2  1 month ago  from customers v1 → v2 ⇒ +4 rows, total_minutes: int64 → float64
│ ├─┼─┤
""")


def test_everything_made_from_a_file(ask: Shell) -> None:
    """All that read an input, straight or through another artifact."""
    assert ask("log data/usage.csv") == snapshot("""\
data/usage.csv  3 versions read it, 6 more rest on these
as it is now, read by features@v3, features@v2, features@v1
churn_model@v3  via features@v3  ccccccc  2 weeks ago  Chris     code train.ipynb [3… ⇒ C 1.0 → 0.01
metrics@v3      via features@v3  ccccccc  2 weeks ago  Chris     code train.ipynb… ⇒ accuracy 0.74…
churn_model@v2  via features@v3  ccccccc  3 weeks ago  Chris     code train.ipynb [3]… ⇒ fitted anew
metrics@v2      via features@v3  ccccccc  3 weeks ago  Chris     code train.ipynb… ⇒ accuracy 0.71…
features@v3     read it          ccccccc  3 weeks ago  Bo     ✓  [january] code feature… ⇒ +per_euro
features@v2     read it          ccccccc  1 month ago  Bo        from customers v1… ⇒ +4 rows, tota…
churn_model@v1  via features@v1  ccccccc  1 month ago  Chris     from features@v1
metrics@v1      via features@v1  ccccccc  1 month ago  Chris     from features@v1, churn_model@v1
features@v1     read it          ccccccc  1 month ago  Bo        from customers@v1, data/usage.csv
""")
    made = ask.json("log data/customers.csv")
    assert len(made) == 15
    assert {each["revision"] for each in made if each["via"] is None} == {
        f"{name}@v{number}" for name in ("customers", "churn_plot") for number in (1, 2, 3)
    }


# --------------------------------------------------------------------------------------- one version


def test_one_version(ask: Shell) -> None:
    """Where it came from, what went into it and what was made of it."""
    shown = ask("show features@january")
    for line in (
        "features@v3  43 rows × 8 columns  [january]",
        "saved    3 weeks ago (2026-02-17 10:00) by Bo",
        "from     customers@v2, data/usage.csv (832 B)",
        "into     churn_model@v3, metrics@v3",
        'features["per_euro"] = features["total_minutes"] / features["monthly"]',
        "verified identical",
    ):
        assert line in shown, shown
    found = ask.json("show features@january")
    assert found["parents"][0]["name"] == "customers"
    assert found["verdict"]["outcome"] == "identical"


def test_only_the_code_or_the_value(ask: Shell) -> None:
    """Fit for a pipe."""
    assert ask("show --code churn_plot@v1") == snapshot("""\
import pandas as pd
import matplotlib.pyplot as plt
raw = pd.read_csv("data/customers.csv", parse_dates=["signup"])
customers = raw.drop_duplicates("customer_id").dropna(subset=["monthly"])
customers["plan"] = customers["plan"].str.lower()
fig, ax = plt.subplots(figsize=(3, 2))
customers.groupby("plan")["churned"].mean().plot.bar(ax=ax)
ax.set_title("Churn by plan")
""")
    assert json.loads(ask("show --value metrics@v2")) == snapshot(
        {"accuracy": 0.744, "rows": 43, "columns": ["monthly", "total_minutes", "per_euro"]}
    )


# --------------------------------------------------------------------------------------------- blame


def test_who_wrote_each_line(ask: Shell) -> None:
    """Lines with version, author, age and place in notebook or script; moved ones keep their origin."""
    assert ask("blame features") == snapshot("""\
v1  Bo  1 month ago  features.py:2    1  import linea
v1  Bo  1 month ago  features.py:3    2  import pandas as pd
v1  Bo  1 month ago  features.py:6    3  def per_customer(usage):
v1  Bo  1 month ago  features.py:7    4      total = usage.groupby("customer_id", as_index=False)["…
v1  Bo  1 month ago  features.py:8    5      return total.rename(columns={"minutes": "total_minutes…
v1  Bo  1 month ago  features.py:11   6  customers = linea.get("customers").get_value()
v1  Bo  1 month ago  features.py:12   7  usage = pd.read_csv("data/usage.csv")
v1  Bo  1 month ago  features.py:14   8  features = customers.merge(per_customer(usage), on="custom…
v1  Bo  1 month ago  features.py:15   9  features["total_minutes"] = features["total_minutes"].fill…
v3  Bo  3 weeks ago  features.py:16  10  features["per_euro"] = features["total_minutes"] / feature…
v1  Bo  1 month ago  features.py:16  11  features["expensive"] = features["monthly"] > 30
""")
    places = [line["place"] for line in ask.json("blame churn_plot")]
    assert {"file": "clean.ipynb", "line": 1, "cell": 6} in places


def test_where_each_column_came_from(ask: Shell) -> None:
    """The version that changed its content, and the statement or the artifact it is from."""
    assert ask("blame --columns features") == snapshot("""\
v2  Bo  1 month ago  customer_id    int64           from customers@v2
v2  Bo  1 month ago  plan           str             from customers@v2
v2  Bo  1 month ago  signup         datetime64[us]  from customers@v2
v2  Bo  1 month ago  monthly        float64         from customers@v2
v2  Bo  1 month ago  churned        int64           from customers@v2
v2  Bo  1 month ago  total_minutes  float64         features.py:15  features["total_minutes"] = fea…
v3  Bo  3 weeks ago  per_euro       float64         features.py:16  features["per_euro"] = features…
v2  Bo  1 month ago  expensive      bool            features.py:17  features["expensive"] = feature…
""")


def test_when_a_cell_took_its_value(ask: Shell) -> None:
    """For one row its cells; for all rows who changed them last."""
    assert ask("blame features --key customer_id=1005") == snapshot("""\
v1  Bo  1 month ago  customer_id    1005
v1  Bo  1 month ago  plan           plus
v1  Bo  1 month ago  signup         2025-06-06 00:00:00
v2  Bo  1 month ago  monthly        45.5                 was 1000.5
v1  Bo  1 month ago  churned        0
v1  Bo  1 month ago  total_minutes  97
v3  Bo  3 weeks ago  per_euro       2.13187
v1  Bo  1 month ago  expensive      True
""")
    assert ask("blame features --rows --limit 2") == snapshot("""\
43 rows: v2 brought 4, v2 changed 1, v1 brought 38
v2  Bo  1 month ago  changed  customer_id=1005
v2  Bo  1 month ago  came     customer_id=1041
… 41 more: --limit 43
""")


def test_who_made_this_file(ask: Shell) -> None:
    """A renamed copy is found by its content."""
    assert ask("blame sent/report.csv").count("\n") == 10
    assert ask.err == "sent/report.csv is features@v1\n"


def test_a_file_that_was_edited(ask: Shell) -> None:
    """What is in no version is told what it is nearest to."""
    ask("blame out/features.csv")
    assert (ask.status, ask.err) == snapshot(
        (
            2,
            """\
Error: out/features.csv is in no version
Hint: nearest: features@v3 (out/features.csv was last known as it); customers@v3 (5 of 8 columns have its names)
""",
        )
    )


# ---------------------------------------------------------------------------------------------- diff


def test_what_a_new_delivery_changed(ask: Shell) -> None:
    """Rows by their key, cells before and after, how the columns moved; the code is the same."""
    assert ask("diff features@v1 features@v2") == snapshot("""\
features@v1 → features@v2
from   customers v1 → v2
code   same
value  39 → 43 rows; +4, 1 changed by customer_id
  total_minutes  int64 → float64
  monthly  1 cell  mean 54.0385 → 29.407, std 153.933 → 11.0702, max 1000.5 → 49.5
    customer_id=1005  monthly  1000.5  →  45.5
  + customer_id=1041, plan=plus, signup=2025-06-14 00:00:00, monthly=17.5, churned=0, total_minutes…
  + customer_id=1042, plan=pro, signup=2025-07-15 00:00:00, monthly=24.5, churned=0, total_minutes=…
  + customer_id=1043, plan=trial, signup=2025-08-16 00:00:00, monthly=31.5, churned=1, total_minute…
  + customer_id=1044, plan=basic, signup=2025-09-17 00:00:00, monthly=38.5, churned=0, total_minute…
""")
    assert ask.status == 1


def test_what_a_new_statement_changed(ask: Shell) -> None:
    """Code by statement; the columns that are equal are only counted."""
    assert ask("diff features@v2 @v3") == snapshot("""\
features@v2 → features@v3
code   +1 −0 lines
@@ −7 +7 @@
 usage = pd.read_csv("data/usage.csv")
 features = customers.merge(per_customer(usage), on="customer_id", how="left")
 features["total_minutes"] = features["total_minutes"].fillna(0)
+features["per_euro"] = features["total_minutes"] / features["monthly"]
 features["expensive"] = features["monthly"] > 30
value  43 rows; 7 columns equal
  + per_euro  float64
""")


def test_only_some_rows_and_columns(ask: Shell) -> None:
    """A condition on rows and a choice of columns."""
    assert ask("diff --value --columns monthly --where 'monthly > 30' features@v1 @v2") == snapshot("""\
features@v1 → features@v2
value  39 → 43 rows; +2, 1 changed by customer_id
  monthly  1 cell  mean 54.0385 → 29.407, std 153.933 → 11.0702, max 1000.5 → 49.5
    customer_id=1005  monthly  1000.5  →  45.5
  + customer_id=1043, monthly=31.5
  + customer_id=1044, monthly=38.5
""")


def test_every_row_that_differs_as_a_file(ask: Shell) -> None:
    """All of them, for any other program."""
    ask("diff features@v1 @v2 -o changes.csv")
    rows = (ask.project.folder / "changes.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows] == snapshot(
        [
            ['"change"', '"customer_id"'],
            ['"changed"', "1005"],
            ['"added"', "1041"],
            ['"added"', "1042"],
            ['"added"', "1043"],
            ['"added"', "1044"],
        ]
    )


def test_models_numbers_and_pictures(ask: Shell) -> None:
    """Models by their parameters, plain data by its places, plots by their pixels."""
    assert ask("diff --value churn_model") == snapshot("""\
churn_model@v2 → churn_model@v3
value  LogisticRegression; 1 parameter changed
  C  1.0  →  0.01
  what it learnt is pickled: --trust reads it
""")
    assert ask("diff --value metrics@v1 @v2") == snapshot("""\
metrics@v1 → metrics@v2
value  3 places changed
  accuracy    0.718   →  0.744
  rows        39      →  43
  columns[2]  absent  →  'per_euro'
""")
    found = ask.json("diff churn_plot")["value"]
    assert (found["kind"], found["differing"] > 0) == ("picture", True)
    ask("diff churn_plot -o third.png")
    assert (ask.project.folder / "third.png").read_bytes()[:4] == b"\x89PNG"


# -------------------------------------------------------------------------------------------- status


def test_what_is_stale(ask: Shell) -> None:
    """What moved on and all that rests on it; a file that somebody edited; what was never verified."""
    assert ask("status") == snapshot("""\
3 of 5 artifacts stale
features@v3
  customers is at v3, made from v2
churn_model@v3
  features is stale
metrics@v3
  features is stale
  churn_model is stale
out/features.csv isn't any more what features@v3 wrote
4 not verified
""")
    assert ask.status == 1
    assert ask.json("status")["altered"] == [
        {"path": "out/features.csv", "revision": "features@v3"}
    ]


# --------------------------------------------------------------------------------------------- graph


def test_what_was_made_from_what(ask: Shell) -> None:
    """In the terminal, for documents, and for tools that read OpenLineage."""
    assert ask("graph metrics") == snapshot("""\
●  metrics@v3  2 weeks ago  dict of 3
├─╮
│ ●  churn_model@v3  2 weeks ago  LogisticRegression(C=0.01, max_iter=500)
├─╯
●  features@v3  3 weeks ago  43 rows × 8 columns
├─╮
│ ○  data/usage.csv  832 B
●  customers@v2  1 month ago  43 rows × 5 columns
○  data/customers.csv  1.3 kB
""")
    assert ask("graph -f mermaid features").count("-->") == 3
    assert ask("graph -f svg").startswith("<svg ")
    events = [json.loads(line) for line in ask("graph -f openlineage features").splitlines()]
    assert [event["job"]["name"] for event in events] == ["customers", "features"]
    fields = events[-1]["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert fields["per_euro"]["inputFields"][0]["field"] == "monthly"


# -------------------------------------------------------------------------------------------- bisect


def test_when_a_number_fell(ask: Shell) -> None:
    """From stored values: each step, the first bad version and what differs there."""
    assert ask("""bisect metrics --good @v2 --expr "value['accuracy'] > 0.73" """) == snapshot("""\
metrics@v2  good  0.744
metrics@v3  bad  0.721
metrics@v3 is the first bad one
  ccccccc  2 weeks ago by Chris
  code   train.ipynb [3]:2 C = 0.01
  from   churn_model v2 → v3
  value  accuracy 0.744 → 0.721
""")
    assert ask(
        "bisect features --good @v3 --bad @v1 --expr 'value.monthly.max() < 100'"
    ) == snapshot("""\
features@v3  good  49.5  2 versions left, about 1 step
features@v1  bad  1000.5  2 versions left, about 1 step
features@v2  good  49.5
features@v2 is the first good one
  ccccccc  1 month ago by Bo
  from   customers v1 → v2
  value  +4 rows
  value  total_minutes: int64 → float64
""")
