"""Print one line of the README's section `## Two commands`, so that CI runs what the README says.

Usage: `python .ci/readme_command.py 1` or `2`. Fails if the section is not exactly one code block of two lines.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def two_commands(text: str) -> tuple[str, str]:
    """Return the two lines of the one code block in the section; raise `ValueError` if it has another shape."""
    sections = re.findall(r"^## Two commands\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```$", "".join(sections), re.MULTILINE | re.DOTALL)
    if len(sections) != 1 or len(blocks) != 1 or len(lines := blocks[0].splitlines()) != 2:
        raise ValueError(f"{README}: the section '## Two commands' must be one code block of two lines")
    return lines[0], lines[1]


if __name__ == "__main__":
    print(two_commands(README.read_text("utf-8"))[int(sys.argv[1]) - 1])
