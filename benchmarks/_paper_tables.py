"""The figures that the DeViSE paper printed, and the files of the tables.

The figures are those of Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS
2013. They are in percent, except in table 5.
"""

import csv
from dataclasses import dataclass, field

import numpy as np
from _common import print_table

# hit@1, 2, 5 and 10, then hp@2, 5, 10 and 20.
TABLE_1 = {
    "softmax": (55.6, 67.4, 78.5, 85.0, 45.2, 34.2, 31.3, 31.9),
    "DeViSE, 500-d": (53.2, 65.2, 76.7, 83.3, 44.7, 35.2, 33.1, 34.1),
    "DeViSE, 1000-d": (54.9, 66.9, 78.4, 85.0, 45.4, 35.1, 32.5, 33.1),
    "random vectors, 500-d": (52.4, 63.9, 74.8, 80.6, 42.8, 31.5, 27.1, 24.8),
    "random vectors, 1000-d": (50.5, 62.2, 74.2, 81.5, 41.8, 31.8, 29.0, 29.2),
}
# hit@1, 2, 5, 10 and 20.
TABLE_2 = {
    ("2-hop", "DeViSE-0"): (6.0, 10.0, 18.1, 26.4, 36.4),
    ("2-hop", "DeViSE+1K"): (0.8, 2.7, 7.9, 14.2, 22.7),
    ("3-hop", "DeViSE-0"): (1.7, 2.9, 5.3, 8.2, 12.5),
    ("3-hop", "DeViSE+1K"): (0.5, 1.4, 3.4, 5.9, 9.7),
    ("all", "DeViSE-0"): (0.8, 1.4, 2.5, 3.9, 6.0),
    ("all", "DeViSE+1K"): (0.3, 0.8, 1.9, 3.2, 5.3),
}
# hp@1, 2, 5, 10 and 20.
TABLE_3 = {
    ("2-hop", "DeViSE-0"): (6.0, 15.2, 19.2, 21.7, 23.3),
    ("2-hop", "DeViSE+1K"): (0.8, 20.4, 19.6, 20.1, 21.4),
    ("2-hop", "softmax"): (0.0, 23.6, 18.1, 17.4, 17.9),
    ("3-hop", "DeViSE-0"): (1.7, 3.7, 19.1, 21.4, 23.6),
    ("3-hop", "DeViSE+1K"): (0.5, 5.3, 19.2, 20.1, 21.4),
    ("3-hop", "softmax"): (0.0, 5.3, 15.7, 14.3, 13.0),
    ("all", "DeViSE-0"): (0.8, 1.7, 7.2, 8.5, 9.6),
    ("all", "DeViSE+1K"): (0.3, 2.5, 8.3, 9.2, 10.1),
    ("all", "softmax"): (0.0, 2.3, 7.1, 6.9, 6.5),
}
# hit@5 with 200 unseen candidates, and with all 1,000 labels. The paper cites Mensink et al. (2012)
# and Rohrbach et al. (2011) for the last two rows.
TABLE_4 = {
    "DeViSE": (31.8, 9.0),
    "nearest class mean": (35.7, 1.9),
    "direct similarity": (34.8, np.nan),
}
# Mean size of the correct sets of the 1,000 classes for k = 2, 5, 10 and 20.
TABLE_5 = (6.5, 12.5, 22.5, 41.7)
# Number of unseen labels in "2-hop", "3-hop" and "all".
N_LABELS = {"2-hop": 1_589, "3-hop": 7_860, "all": 20_841}


@dataclass
class Table:
    """A table of figures. Each row has a name and an array of (n_runs, n_figures)."""

    title: str
    columns: list[str]
    rows: list[tuple[str, np.ndarray]] = field(default_factory=list)
    digits: int = 1

    def add(self, name, runs):
        """Add a row: the figures of several runs, or a row of figures that somebody published."""
        self.rows.append((name, np.atleast_2d(np.asarray(runs, dtype=float))))

    def add_published(self, figures):
        """Add rows that the paper printed, each after the row or the kind of rows of its name."""
        for name, values in figures.items():
            names = [row.removesuffix(" †") for row, _ in self.rows]
            kinds = [row.partition(",")[0] for row in names]
            place = len(names) - 1
            if name in names:
                place = names.index(name)
            elif (kind := name.partition(",")[0]) in kinds:
                place = len(kinds) - 1 - kinds[::-1].index(kind)
            row = (f"{name}, in the paper", np.atleast_2d(np.asarray(values, dtype=float)))
            self.rows.insert(place + 1, row)

    def cells(self):
        """Format the rows as text: the name, then the mean and the deviation of each figure."""
        for name, runs in self.rows:
            spreads = runs.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(runs.shape[1])
            yield [
                name,
                *(
                    ""
                    if np.isnan(mean)
                    else f"{mean:.{self.digits}f}"
                    + (f" ± {spread:.{self.digits}f}" if len(runs) > 1 else "")
                    for mean, spread in zip(runs.mean(axis=0), spreads, strict=True)
                ),
            ]


def write_tables(path, tables, notes):
    """Print tables, and write them to files with the suffixes .csv, .md and .rst."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for table in tables:
        print(f"\n{table.title}\n")
        print_table(["system", *table.columns], table.cells())
    print("", *notes, sep="\n")
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["table", "system", "figure", "mean", "deviation", "runs"])
        for table in tables:
            for name, runs in table.rows:
                for column, values in zip(table.columns, runs.T, strict=True):
                    spread = f"{values.std(ddof=1):.4g}" if len(values) > 1 else ""
                    mean = f"{values.mean():.5g}"
                    writer.writerow([table.title, name, column, mean, spread, len(values)])
    with path.with_suffix(".md").open("w") as file:
        for table in tables:
            print(f"**{table.title}**\n", file=file)
            print_table(["system", *table.columns], table.cells(), file=file)
            print(file=file)
        print(*notes, sep="\n\n", file=file)
    with path.with_suffix(".rst").open("w") as file:
        for table in tables:
            print(f".. csv-table:: {table.title}\n   :header-rows: 1", file=file)
            print("   :class: figures\n", file=file)
            for row in (["system", *table.columns], *table.cells()):
                print("   " + ", ".join(_quoted(cell) for cell in row), file=file)
            print(file=file)
        print(*notes, sep="\n\n", file=file)


def _quoted(cell):
    """Quote a cell of a csv-table. An unescaped "hit@10" becomes an e-mail address."""
    return '"' + cell.replace('"', '""').replace("@1", "\\@1").replace("@2", "\\@2") + '"'
