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
"""For each number of a row its heading in a table and how it is written. `judge.measure` says what
they are; `top1` is the share of rank 0, `object` that of object_rank 0."""


def summarize(rows: Sequence[Mapping[str, Any]], by: str = "recipe") -> list[dict[str, Any]]:
    """The mean of each number over the rows that share the value of `by`.

    Returns:
        For each value a dictionary of `Estimate`s, `by` and `count`. Pictures of one prompt are
        averaged before the interval is taken: more seeds are no more prompts.
    """
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[by], []).append(row)
    result = []
    for value, group in groups.items():
        good = [row for row in group if not row.get("error")]
        summary: dict[str, Any] = {by: value, "count": len(good)}
        for name in MEASURES:
            by_prompt: dict[str, list[float]] = {}
            for row in good:
                if (number := _number(row, name)) is not None:
                    by_prompt.setdefault(row["prompt"], []).append(number)
            if by_prompt:
                summary[name] = _estimate(name, list(by_prompt.values()))
        result.append(summary)
    return result


def _number(row: Mapping[str, Any], name: str) -> float | None:
    if (rank := {"top1": "rank", "object": "object_rank"}.get(name)) is not None:
        return float(row[rank] == 0) if rank in row else None
    return row.get(name)


def _estimate(name: str, by_prompt: list[list[float]]) -> Estimate:
    independent = [sum(numbers) / len(numbers) for numbers in by_prompt]
    if len(by_prompt) == 1:
        independent = by_prompt[0]
    counted = name in ("top1", "object") and set(independent) <= {0.0, 1.0}
    return share(independent) if counted else mean(independent)


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
    # Markdown may hold HTML, and a prompt is anybody's.
    return html.escape(str(value), quote=False).replace("|", "\\|").replace("\n", " ")
