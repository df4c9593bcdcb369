"""
=================================
Stack, vote, calibrate and search
=================================

The classifiers of skdevise are ordinary scikit-learn classifiers, so scikit-learn's wrappers work
with them. We combine a zero-shot classifier with a random forest, and compare the wrappers with
their parts.
"""

# %%
# Photos
# ------
#
# We train on six photos of each label on average.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split

from skdevise import ESZSLClassifier, LabelVocabulary, datasets

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
names = caltech.target_names[
    (caltech.split == "unseen") & embedder.has_vector(caltech.target_names)
]
rows = np.isin(caltech.target, names)
X_train, X_test, y_train, y_test = train_test_split(
    caltech.data[rows],
    caltech.target[rows],
    train_size=6 * len(names),
    stratify=caltech.target[rows],
    random_state=0,
)
print(f"{len(y_train)} training photos and {len(y_test)} test photos of {len(names)} labels")

# %%
# Give numbers their names
# ------------------------
#
# Stacking, voting and bagging do not pass your labels to ``fit``. They pass the positions of the
# sorted labels instead: 0, 1, 2, ... Numbers are not words, so we give the classifier their
# names. ``GridSearchCV`` passes the names on, and needs nothing.

numbered = LabelVocabulary(range(len(names)), terms=np.unique(y_train))
eszsl = ESZSLClassifier(embedder, labels=numbered)
forest = RandomForestClassifier(100, random_state=0)
parts = [("eszsl", eszsl), ("forest", forest)]
systems = {
    "ESZSL": ESZSLClassifier(embedder),
    "random forest": forest,
    "grid search": GridSearchCV(ESZSLClassifier(embedder), {"alpha": [0.1, 1.0, 10.0]}, cv=3),
    "bagging": BaggingClassifier(eszsl, 10, max_features=0.5, random_state=0),
    "calibrated": CalibratedClassifierCV(eszsl, cv=3, ensemble=False),
    "voting": VotingClassifier(parts, voting="soft"),
    "stacking": StackingClassifier(parts, LogisticRegression(C=10, max_iter=500), cv=3),
}
accuracy = {name: clf.fit(X_train, y_train).score(X_test, y_test) for name, clf in systems.items()}

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
bars = ax.barh(list(accuracy), accuracy.values(), color=["C0"] * 2 + ["C1"] * 5)
bars[0].set_label("alone")
bars[2].set_label("wrapper of scikit-learn")
ax.bar_label(bars, fmt="{:.1%}", padding=3)
ax.invert_yaxis()
ax.set(title="Accuracy alone and in wrappers", xlim=(0, 1.12), xlabel="Accuracy on test photos")
fig.legend(loc="outside lower center", ncols=2)
plt.show()

# %%
# All wrappers work, and none of them is clearly better than ESZSL alone: the forest is too weak a
# partner here. Voting and stacking help if the errors of their parts differ. Only wrappers that
# know your labels, such as ``GridSearchCV``, still answer with unseen
# labels.
