"""JSON of others: read only where its values are not nested without end."""

import json
import re
from typing import Any

MOST_DEEP = 100  # values within values; a model's config has nine
STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def parse(text: str) -> Any:
    """What a JSON text says. Raises ValueError for text that is no JSON, or nested more than MOST_DEEP deep.

    Python's reader descends into each value and stops where `sys.setrecursionlimit` says; converters raise that beyond what
    the stack has, and the process would end there.
    """
    depth = 0
    for sign in re.sub(r"[^\[\]{}]", "", STRING.sub("", text)):
        depth += 1 if sign in "[{" else -1
        if depth > MOST_DEEP:
            raise ValueError(f"values within values, more than {MOST_DEEP} deep")
    return json.loads(text)
