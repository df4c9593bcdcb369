"""Resolve names in single backticks: link public names, and accept documented parameters.

A docstring names classes, functions and parameters alike: `DeViSEClassifier`, `predict_top_k` or
`reject_below`. In nitpicky mode, Sphinx then warns about names that exist nowhere.
"""

import inspect
import re
from importlib import import_module

import api_reference
from sphinx.util.nodes import make_refnode

# The entries of numpydoc's sections: "lr, start : float" or "classes_".
_ENTRY = re.compile(r"^ *(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: : .+)?$", re.MULTILINE)


def public_names():
    """Map each public name to its full name: dict."""
    return {
        name.rpartition(".")[2]: f"{module}.{name}"
        for _, module, _, names in api_reference.SECTIONS
        for name in names
    }


def documented_words():
    """Collect the parameters, attributes and methods that the public names document: set."""
    words = set()
    for fullname in public_names().values():
        module, _, name = fullname.rpartition(".")
        documented = getattr(import_module(module), name)
        members = [documented]
        if inspect.isclass(documented):
            words.update(dir(documented))
            members += [getattr(documented, member) for member in dir(documented)]
        for member in members:
            for entry in _ENTRY.findall(inspect.getdoc(member) or ""):
                words.update(word.strip("* ") for word in entry.split(","))
    return words


def resolve(app, env, node, contnode):
    """Link a public name without its module, or leave a documented word without a link."""
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    target = node["reftarget"]
    fullname = app.public_names.get(target)
    if fullname:
        entry = env.get_domain("py").objects[fullname]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode)
    word = re.match(r"\w*", target)[0]
    return contnode if word in app.documented_words else None


def collect(app):
    """Collect the names before the pages are read."""
    app.public_names, app.documented_words = public_names(), documented_words()


def setup(app):
    """Connect the resolver."""
    app.connect("builder-inited", collect)
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
