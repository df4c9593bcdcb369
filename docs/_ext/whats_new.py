"""Write the page "What's new" from CHANGELOG.md and the files in changes/."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TITLES = {"feature": "New", "enhancement": "Better", "fix": "Fixed", "api": "Changed"}


def to_rst(text):
    """Convert the Markdown of a changelog to reStructuredText: str."""
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)  # every second part is code
    parts[::2] = [re.sub(r"(?<!\*)\*(?!\*)", r"\\*", part) for part in parts[::2]]
    parts[1::2] = [f"``{part.strip('`')}``" for part in parts[1::2]]
    text = "".join(parts)
    text = re.sub(r"\[([^\]]+)\]\((http[^)]+)\)", r"`\1 <\2>`__", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)

    def underline(match):
        title = match[2].strip()
        return f"{title}\n{'-~^'[len(match[1]) - 2] * len(title)}"

    return re.sub(r"^(#{2,4}) (.+)$", underline, text, flags=re.MULTILINE)


def unreleased():
    """Collect the changes since the last release, by their type: str, Markdown."""
    parts = ["## Not yet released"]
    for kind, title in TITLES.items():
        files = sorted((ROOT / "changes").glob(f"*.{kind}.md"))
        if files:
            texts = (file.read_text(encoding="utf-8").strip() for file in files)
            parts += [f"### {title}", *("- " + text.replace("\n", "\n  ") for text in texts)]
    return "\n\n".join(parts)


def write_page(path):
    """Write the page, unless it is up to date."""
    _, _, released = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("-->")
    title = "What's new\n==========\n\n"
    text = f"{title}{to_rst(unreleased())}\n\n{to_rst(released.strip())}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
