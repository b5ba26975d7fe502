"""A hook of mkdocs: what a page links to outside of docs/ is shown at the forge."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(\.\./([^)]*)\)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """Return the page with links to the repository's other files as addresses of the forge."""
    return _OUTSIDE.sub(rf"]({config['repo_url']}/blob/main/\1)", markdown)
