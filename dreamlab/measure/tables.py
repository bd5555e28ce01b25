"""Rows of numbers as tables: means with their intervals, Markdown."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dreamlab.judge import Estimate, mean, share

MEASURES: dict[str, tuple[str, str]] = {
    "dreamer": ("dreamer score", ".2f"),
    "judge": ("judge score", ".2f"),
    "top1": ("judge R-precision", ".0%"),
    "rank": ("mean rank", ".1f"),
    "object": ("object named", ".0%"),
    "object_rank": ("object's rank", ".1f"),
    "slope": ("spectrum slope", ".2f"),
    "out_of_range": ("out of range", ".0%"),
    "grain": ("grain", ".1%"),
    "seconds": ("seconds", ".1f"),
}
"""For each number of a row its heading in a table and how it is written, see `judge.measure`."""
RANKS = {"top1": "rank", "object": "object_rank"}  # of which these are the share of 0


def summarize(rows: Sequence[Mapping[str, Any]], by: str = "recipe") -> list[dict[str, Any]]:
    """Means over the rows that share `by`: `Estimate`s, `by`, `count`; one value per prompt."""
    result = []
    for value in dict.fromkeys(row[by] for row in rows):
        good = [row for row in rows if row[by] == value and not row.get("error")]
        summary: dict[str, Any] = {by: value, "count": len(good)}
        for name in MEASURES:
            rank = RANKS.get(name)
            by_prompt: dict[str, list[float]] = {}
            for row in good:
                if (number := row.get(rank or name)) is not None:
                    number = float(number == 0) if rank else number
                    by_prompt.setdefault(row["prompt"], []).append(number)
            if by_prompt:
                independent = [sum(numbers) / len(numbers) for numbers in by_prompt.values()]
                if len(by_prompt) == 1:
                    (independent,) = by_prompt.values()
                counted = rank is not None and set(independent) <= {0.0, 1.0}
                summary[name] = share(independent) if counted else mean(independent)
        result.append(summary)
    return result


def markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as a Markdown table; columns that no row has are left out, numbers are right-aligned."""
    columns = [c for c in columns if any(row.get(c, "") != "" for row in rows)]
    heads = [MEASURES[c][0] if c in MEASURES else c for c in columns]
    rules = ["---:" if c in MEASURES else "---" for c in columns]
    lines = [heads, rules, *([_cell(c, row.get(c, "")) for c in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(column: str, value: Any) -> str:
    if isinstance(value, (float, Estimate)):
        form = MEASURES[column][1] if column in MEASURES else ".3f"
        return "–" if isinstance(value, float) and math.isnan(value) else format(value, form)
    return html.escape(str(value), quote=False).replace("|", "\\|").replace("\n", " ")
