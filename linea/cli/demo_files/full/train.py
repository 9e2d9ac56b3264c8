"""Which cultivar is this wine from? A script as scripts are after a few afternoons."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import linea

SEED = 7

wine = pd.read_csv("data/wine.csv")
print(wine.shape)
print(wine.groupby("cultivar").size())

# a first look
print(wine.describe().T.head(3))

# dead end: strong wines are no class of their own
strong = wine[wine["alcohol"] > 13.5]
strong_share = len(strong) / len(wine)
print(f"strong: {strong_share:.0%}")

df = wine.copy()
df = df.dropna()

# what matters is how much of the phenols are flavanoids
df["flavanoid_share"] = df["flavanoids"] / df["total_phenols"]
for column in ["ash", "alcalinity_of_ash"]:
    df.pop(column)


def logged(table, columns):
    """Take logarithms, in place."""
    for column in columns:
        table[column] = np.log(table[column])


logged(df, ["proline"])

# df = df[df["magnesium"] < 150]
by_cultivar = df.groupby("cultivar").mean()
print(by_cultivar.round(2).T.head(3))

linea.save(df, "feature_table")

X = df.drop(columns="cultivar")
y = df["cultivar"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=SEED)

# dead end: without scaling it hardly converges
unscaled = LogisticRegression(max_iter=50)

model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
model.fit(X_train, y_train)
print("accuracy:", round(model.score(X_test, y_test), 3))

linea.save(model, "model")
