"""Change the code in small ways, and count the changes that the tests notice.

A mutant is one module with one change, such as `<` for `<=`. A failing test kills it.
Each mutant runs in a process of its own, which is forked after all imports. It runs the tests that
execute the changed line. Quick tests, and those that killed many mutants before, come first.

Run `python tools/mutants.py`, or name some of the modules: `python tools/mutants.py _splits`.
`tools/equivalent_mutants.txt` lists the mutants that behave like the original.
"""

import argparse
import ast
import copy
import importlib
import inspect
import itertools
import json
import os
import resource
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[1]
SAVED = [
    *("tests/test_persistence.py", "tests/test_persistence_format.py"),
    *(
        "tests/test_persistence_sklearn.py",
        "tests/test_common.py::test_a_saved_file_gives_the_same_results",
    ),
]
TESTS = {  # modules, and the tests that must kill their mutants
    "metrics/_ranking": [
        *("tests/metrics/test_ranking.py", "tests/metrics/test_scorers.py"),
        *("tests/metrics/test_generalized.py", "tests/inspection/test_rejection_curve.py"),
        "tests/model_selection/test_reject_below.py",
    ],
    "metrics/_generalized": ["tests/metrics/test_generalized.py"],
    "metrics/_scorers": ["tests/metrics/test_scorers.py"],
    "models/_negatives": ["tests/models/test_negatives.py", "tests/models/test_losses.py"],
    "models/losses/hinge_rank": ["tests/models/test_losses.py"],
    "models/losses/contrastive": ["tests/models/test_losses.py", "tests/models/test_targets.py"],
    "models/losses/distance": ["tests/models/test_losses.py"],
    "models/losses/warp": ["tests/models/test_losses.py"],
    "models/losses/_label_loss": ["tests/models/test_losses.py", "tests/models/test_targets.py"],
    "models/_hubness": ["tests/models/test_hubness.py"],
    "models/_learning_rate": ["tests/models/test_learning_rate.py"],
    "models/_calibration": ["tests/models/test_calibration.py"],
    "models/_label_weights": ["tests/models/test_weight_regression.py"],
    "models/_label_kernels": [
        *("tests/models/test_weight_regression.py", "tests/models/test_nearest_class_mean.py"),
    ],
    "models/_nearest_class_mean": [
        *("tests/models/test_nearest_class_mean.py", "tests/models/test_calibration.py"),
    ],
    "models/_least_squares": [
        *("tests/models/test_ridge.py", "tests/models/test_eszsl.py"),
        *("tests/models/test_calibration.py", "tests/models/test_hubness.py"),
        "tests/models/test_features.py::test_the_scaling_changes_in_the_next_fit_only",
    ],
    "model_selection/_splits": ["tests/model_selection/test_splits.py"],
    "model_selection/_tuning": [
        *("tests/metrics/test_generalized.py", "tests/model_selection/test_reject_below.py"),
    ],
    "labels/_hierarchy": ["tests/labels/test_hierarchy.py"],
    "labels/_senses": ["tests/labels/test_senses.py"],
    "_ranking": ["tests/labels/test_search.py", "tests/metrics/test_generalized.py"],
    "_tensors": SAVED,
    "_storage": SAVED,
    "_special_objects": SAVED,
    "persistence": ["tests/test_persistence.py"],
}
REQUIRED = 0.85  # share of mutants that the tests must kill
CPU_SECONDS = 60  # A mutant may loop for ever.
OPTIONS = ["-qq", "-p", "no:cacheprovider", "--capture=no"]

SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


def changes(node):
    """Yield the nodes that may replace a node."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            new = copy.copy(node)
            new.ops = [*node.ops[:i], SWAPS[type(op)](), *node.ops[i + 1 :]]
            yield new
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
        new = copy.copy(node)
        new.op = SWAPS[type(node.op)]()
        yield new
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
        value = node.value
        if isinstance(value, str) and " " not in value:  # Texts with spaces are messages.
            yield ast.Constant(f"{value}XX")
        elif not isinstance(value, str):
            yield ast.Constant(not value if isinstance(value, bool) else value + 1)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        new = copy.copy(node)
        new.test = ast.UnaryOp(ast.Not(), node.test)
        yield new
    elif isinstance(node, ast.Return) and not is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Expr):  # a call whose result is not used
        yield ast.Pass()


def is_none(node):
    """Return whether an expression is missing or None."""
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def children(node):
    """Yield (field, index, child) of the parts of a node that are worth a change."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return  # Tests do not state the wording of errors.
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            is_names = isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__"
            if isinstance(child, ast.AST) and not is_text and not is_names:
                yield field, i if isinstance(value, list) else None, child


def mutants(tree):
    """Yield (line, name, tree) of each mutant of a module."""

    def visit(node, owner):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            owner = f"{owner}.{node.name}".lstrip(".")
        for field, i, child in children(node):
            for new in changes(child):
                ast.fix_missing_locations(ast.copy_location(new, child))
                name = f"{owner}: {first_line(child)} -> {first_line(new)}"
                place(node, field, i, new)
                yield child.lineno, name, tree
                place(node, field, i, child)
            yield from visit(child, owner)

    yield from visit(tree, "")


def first_line(node):
    """Return the first line of the code of a node."""
    return ast.unparse(node).partition("\n")[0]


def place(node, field, i, child):
    """Put a child into its place in a node."""
    if i is None:
        setattr(node, field, child)
    else:
        getattr(node, field)[i] = child


def mutate(module, code):
    """Give the functions, classes and constants of an imported module the code of a mutant.

    Other modules hold its functions and classes, so these stay the same objects. Constants cannot,
    so the other modules get the new ones.
    """
    old = dict(vars(module))
    exec(code, vars(module))
    for name, value in old.items():
        if getattr(value, "__module__", None) == module.__name__:
            vars(module)[name] = renewed(value, vars(module)[name])
        elif name.isupper() and vars(module)[name] is not value:
            for other in list(sys.modules.values()):
                if (
                    getattr(other, "__name__", "").startswith("skdevise")
                    and vars(other).get(name) is value
                ):
                    vars(other)[name] = vars(module)[name]


def renewed(old, new):
    """Return the old function or class with the code of the new one, or else the new object."""
    if isinstance(old, type):
        for name, value in vars(new).items():
            before = vars(old).get(name)
            after = renewed(before, value)
            if after is not before and name not in ("__dict__", "__weakref__"):
                setattr(old, name, after)
        return old
    inner, other = undecorated(old), undecorated(new)
    if inspect.isfunction(inner) and inspect.isfunction(other):
        inner.__code__ = other.__code__
        inner.__defaults__, inner.__kwdefaults__ = other.__defaults__, other.__kwdefaults__
        return old
    return new


def undecorated(value):
    """Return the function inside a method, a property or a decorated function."""
    for name in ("__func__", "fget", "func"):
        value = getattr(value, name, None) or value
    return inspect.unwrap(value) if callable(value) else value


class Mutation:
    """Plugin of pytest that collects the tests once, and runs them for each mutant."""

    def __init__(self, module, equivalent, every):
        self.module, self.equivalent, self.every = module, equivalent, every
        self.counts, self.kills = defaultdict(int), defaultdict(int)

    def pytest_runtestloop(self, session):
        """Count the mutants, and print the survivors."""
        path = ROOT / f"skdevise/{self.module}.py"
        imported = importlib.import_module(f"skdevise.{self.module.replace('/', '.')}")
        tests = {item.nodeid: item for item in session.items}
        with tempfile.NamedTemporaryFile() as file:
            output = Path(file.name)
            if not in_child(self.record, session.items, str(path), output):
                sys.exit(f"The tests of {self.module} fail without a change.")
            lines, seconds = json.loads(output.read_text())
            self.run(imported, path, lines, seconds, tests, output)
        return True

    def run(self, imported, path, lines, seconds, tests, output):
        """Test each mutant with the tests that execute its line."""
        found = mutants(ast.parse(path.read_text(encoding="utf-8")))
        for line, change, tree in itertools.islice(found, 0, None, self.every):
            title = f"{self.module}: {change}"
            if title in self.equivalent:
                self.counts["equivalent"] += 1
                continue
            self.counts["mutants"] += 1
            # Code that runs at the import has no test of its own.
            chosen = lines.get(str(line)) or seconds
            names = sorted(chosen, key=lambda name: seconds[name] / (1 + self.kills[name]))
            code = compile(tree, str(path), "exec")
            output.write_text("")
            if in_child(self.survives, imported, code, [tests[name] for name in names], output):
                self.counts["survived"] += 1
                print(f"  line {line}, {title}", flush=True)
            self.kills[output.read_text()] += 1

    def pytest_runtest_logreport(self, report):
        """Note the time and the failure of a part of a test."""
        self.failed |= report.failed
        self.seconds += report.duration

    def passes(self, item):
        """Run one test: whether it passes."""
        self.failed, self.seconds = False, 0.0
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed

    def record(self, items, path, output):
        """Write the tests that execute each line of a module, and their seconds, to a file."""
        cov = coverage.Coverage(data_file=None, include=[path], config_file=False)
        cov.start()
        seconds = {}
        for item in items:
            cov.switch_context(item.nodeid)
            if not self.passes(item):
                return False
            seconds[item.nodeid] = self.seconds
        cov.stop()
        lines = cov.get_data().contexts_by_lineno(path)
        lines = {line: [n for n in names if n in seconds] for line, names in lines.items()}
        output.write_text(json.dumps([lines, seconds]))
        return True

    def survives(self, module, code, items, output):
        """Return whether all tests pass with a mutant; write the name of one that fails."""
        mutate(module, code)
        for item in items:
            if not self.passes(item):
                output.write_text(item.nodeid)
                return False
        return True


def in_child(function, *args):
    """Call a function in a forked process: whether it returned True."""
    child = os.fork()
    if not child:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            code = not function(*args)
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def main():
    """Print the share of killed mutants of each module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="parts of the names of modules")
    parser.add_argument("--every", type=int, default=1, help="test one mutant of so many")
    options = parser.parse_args()
    parts = options.modules
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    stored = (ROOT / "tools/equivalent_mutants.txt").read_text(encoding="utf-8").splitlines()
    equivalent = {line for line in stored if line and not line.startswith(("#", " "))}
    rows, failed = [], False
    for module in TESTS:
        if parts and not any(part in module for part in parts):
            continue
        mutation = Mutation(module, equivalent, options.every)
        if pytest.main([*OPTIONS, *TESTS[module]], plugins=[mutation]):
            sys.exit(f"The tests of {module} cannot be run.")
        counts = mutation.counts
        share = 1 - counts["survived"] / counts["mutants"]
        failed |= share < REQUIRED
        rows.append(
            f"{module:24}{counts['mutants']:9}{counts['survived']:10}{share:8.1%}"
            f"{counts['equivalent']:12}"
        )
    print("module                    mutants  survived  killed  equivalent", *rows, sep="\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
