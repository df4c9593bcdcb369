"""Write formulas as MathML. Browsers draw it without a script from the web."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.math import get_node_equation_number


def visit_inline(translator, node):
    """Write an inline formula."""
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise SkipNode


def visit_block(translator, node):
    """Write a displayed formula, with the number of a labelled one."""
    ids = "".join(f' id="{name}"' for name in node["ids"][:1])
    translator.body.append(f'<div class="math-block"{ids}>')
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>")
    raise SkipNode


def setup(app):
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
