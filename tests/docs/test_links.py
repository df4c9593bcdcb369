"""Every link of the built site leads to a page, a part of a page, or a file."""

from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest


class Page(HTMLParser):
    """Collects the ids and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        self.links.update(attrs[name] for name in ("href", "src") if attrs.get(name))


def broken_links(site, pages):
    """List the links that lead nowhere: a list of (page, link)."""
    read = {page: Page((site / page).read_text(encoding="utf-8")) for page in pages}
    broken = []
    for page, content in read.items():
        for link in content.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (site / page).parent / unquote(url.path) if url.path else site / page
            name = target.resolve().relative_to(site.resolve()).as_posix()
            known = not url.fragment or name not in read
            if not target.exists() or not (known or unquote(url.fragment) in read[name].ids):
                broken.append((page, link))
    return sorted(broken)


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there"><img src="c.png">')
    (tmp_path / "b.html").write_text('<a href="a.html#here"></a><a href="#top"></a>')
    found = broken_links(tmp_path, ["a.html", "b.html"])
    assert found == [("a.html", "b.html#there"), ("a.html", "c.png"), ("b.html", "#top")]


@pytest.mark.slow
def test_all_links_lead_somewhere(site, pages):
    broken = broken_links(site, pages)
    assert not broken, "\n".join(map(" ".join, broken))
