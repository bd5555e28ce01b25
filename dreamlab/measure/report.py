"""What the benchmark says: tables, JSON, a plot, and the ratios in README."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from dreamlab.figures.plots import STYLES, Plot
from dreamlab.measure.judge import Estimate
from dreamlab.support.files import write_atomically
from dreamlab.support.readme import check_readme, put_into_readme

Results = dict[str, Any]

# --- tables ---------------------------------------------------------------------------------------


def say_machine(details: dict[str, Any]) -> str:
    """One sentence about what the numbers belong to."""
    where = details["accelerator"] or details["processor"]
    threads = f"{details['threads']} of {details['cores']} cores"
    load = "" if details["load"] is None else f", load {details['load']:.1f} at the start"
    memory = "" if details["memory_gb"] is None else f", {details['memory_gb']:.0f} GB"
    return (
        f"On {details['device']}: {where} ({details['instructions']}), {threads}{memory}{load}; "
        f"{details['system']}, Python {details['python']}, PyTorch {details['torch']}."
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; all columns but the first are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratio(row: dict[str, Any]) -> str:
    """A ratio and its quartiles."""
    if "ratio" not in row:
        return ""
    return f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def canvas(size: Sequence[int]) -> str:
    return f"{size[0]} × {size[1]}"


def say_step(rows: list[dict]) -> str:
    return table(
        ("model", "canvas", "views", "CLIP alone", "whole step", "step ÷ CLIP [quartiles]"),
        [
            (
                row["model"],
                canvas(row["canvas"]),
                str(row["views"]),
                duration(row["bare_s"]),
                duration(row["step_s"]),
                ratio(row),
            )
            for row in rows
        ],
    )


def say_arithmetic(rows: list[dict]) -> str:
    return table(
        ("passes in another way", "times as fast", "error of the gradient", "first time", "kept"),
        [
            (
                row["way"],
                ratio(row),
                f"{row['error']:.0e}",
                duration(row["first_s"]),
                "yes" if row["worth"] else "no",
            )
            for row in rows
        ],
    )


def say_batches(rows: list[dict]) -> str:
    return table(
        ("threads", "pictures in a run", "step of one picture", "one run ÷ single runs"),
        [
            (str(row["threads"]), str(row["pictures"]), duration(row["picture_s"]), ratio(row))
            for row in rows
        ],
    )


def say_canvases(rows: list[dict]) -> str:
    return table(
        ("canvas", "step in each octave", "whole dream", "memory before", "peak"),
        [
            (
                canvas(row["canvas"]),
                ", ".join(map(duration, row["step_s"])),
                f"{duration(row['dream_s'])} ({row['steps']} steps)",
                gigabytes(row["before_gb"]),
                gigabytes(row["peak_gb"]),
            )
            for row in rows
        ],
    )


def gigabytes(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f} GB"


def say_peers(rows: list[dict]) -> str:
    return table(
        ("loop", "model", "views per second", "its time ÷ ours [quartiles]"),
        [(row["loop"], row["model"], f"{row['views_per_s']:.3g}", ratio(row)) for row in rows],
    )


def say_worth(rows: list[dict]) -> str:
    def cell(row: dict, name: str, form: str) -> str:
        return format(Estimate(**row[name]), form) if name in row else ""

    return table(
        (
            "views of each octave",
            "a picture",
            "judge score",
            "its gain on the first",
            "judge R-precision",
            "thing named",
        ),
        [
            (
                _say_views(row),
                duration(row["picture_s"]),
                cell(row, "judge", ".2f"),
                cell(row, "gain", ".3f"),
                cell(row, "top1", ".0%"),
                cell(row, "object", ".0%"),
            )
            for row in rows
        ],
    )


def _say_views(row: dict) -> str:
    views = ", ".join(map(str, row["views"]))
    return views if row["patches"] == 1 else f"{views}, half the patches"


TABLES: dict[str, Callable[[list[dict]], str]] = {
    "step": say_step,
    "arithmetic": say_arithmetic,
    "batches": say_batches,
    "canvases": say_canvases,
    "peers": say_peers,
    "worth": say_worth,
}


# --- keeping --------------------------------------------------------------------------------------


def as_json(results: Results) -> str:
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def with_kept(results: Results, path: Path) -> Results:
    """Add the parts that `path` has from another run on the same machine, and `results` has not."""
    if not path.is_file():
        return results
    kept = json.loads(path.read_text("utf-8"))
    one, other = ({**r["machine"], "load": None} for r in (results, kept))
    return {**kept, **results} if one == other else results


def plot(results: Results) -> Plot:
    """What was measured, at a look: a panel for each part that has bars or curves."""
    panels = [(name, draw) for name, draw in PANELS.items() if results.get(name)]
    words = "; ".join(ALT[name] for name, _ in panels)
    figure = Plot(3.6 * len(panels), 3.2, f"The benchmark: {words}.")
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, draw) in zip(places, panels, strict=True):
        draw(axes, results[name])
    return figure


def _bars(axes: Any, rows: list[dict], names: list[str], title: str) -> None:
    values = [row["ratio"] for row in rows]
    errors = [[r["ratio"] - r["low"] for r in rows], [r["high"] - r["ratio"] for r in rows]]
    axes.barh(names, values, xerr=errors, color=STYLES[0][0], ecolor="#555555")
    axes.axvline(1, color="#555555", linewidth=1)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=min(10, 56 / len(rows)))  # names are up to two lines
    axes.set_title(title, fontsize=10)


def draw_step(axes: Any, rows: list[dict]) -> None:
    _bars(axes, rows, [row["model"].split(",")[0] for row in rows], "step ÷ passes through CLIP")


def draw_batches(axes: Any, rows: list[dict]) -> None:
    counts = sorted({row["threads"] for row in rows})
    for (colour, line), threads in zip(STYLES, counts, strict=False):
        some = [row for row in rows if row["threads"] == threads]
        sizes, ratios = zip(*((row["pictures"], row["ratio"]) for row in some), strict=True)
        axes.plot(sizes, ratios, line, color=colour, marker="o", label=_on(threads))
    axes.set_xscale("log")
    _ticks(axes.xaxis, {row["pictures"] for row in rows})
    axes.set_ylim(0, 1.2)
    axes.set_xlabel("pictures in a run")
    axes.set_title("one run ÷ single runs", fontsize=10)
    axes.legend(fontsize=8)


def _ticks(axis: Any, values: Collection[float]) -> None:
    """Name what was measured, and nothing between; of values close together, the first."""
    named: list[float] = []
    apart = (max(values) / min(values)) ** 0.06  # of a logarithmic axis, about a name's height
    for value in sorted(values):
        if not named or value >= apart * named[-1]:
            named.append(value)
    axis.set_ticks(named, [f"{value:.2g}" for value in named])
    axis.set_ticks([], minor=True)


def _on(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def draw_canvases(axes: Any, rows: list[dict]) -> None:
    points = sorted(
        (height * width / 1e6, spent)
        for row in rows
        for (height, width), spent in zip(row["octaves"], row["step_s"], strict=True)
    )
    pixels, spent = zip(*points, strict=True)
    axes.loglog(pixels, spent, STYLES[0][1], color=STYLES[0][0], marker="o")
    _ticks(axes.xaxis, pixels)
    _ticks(axes.yaxis, spent)
    axes.set_xlabel("megapixels")
    axes.set_title("seconds of a step", fontsize=10)


def draw_peers(axes: Any, rows: list[dict]) -> None:
    others = [row for row in rows if "ratio" in row]
    names = [f"{row['loop']}\n{row['model'].split(',')[0]}" for row in others]
    _bars(axes, others, names, "time of the loop ÷ ours")


def draw_worth(axes: Any, rows: list[dict]) -> None:
    labels = {"judge": "judge score", "top1": "R-precision", "object": "thing named"}
    for (colour, _), (name, label) in zip(STYLES, labels.items(), strict=False):
        some = [row for row in rows if name in row]
        for row in some:
            x, estimate = row["picture_s"], Estimate(**row[name])
            axes.plot([x, x], [estimate.low, estimate.high], color=colour, alpha=0.4)
            axes.plot(x, estimate.value, "o", color=colour, label=label if row is some[0] else None)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0)
    axes.set_xlabel("seconds of a picture")
    axes.set_title("worth of fewer views or patches", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")


PANELS: dict[str, Callable[[Any, list[dict]], None]] = {
    "step": draw_step,
    "batches": draw_batches,
    "canvases": draw_canvases,
    "peers": draw_peers,
    "worth": draw_worth,
}
ALT = {
    "step": "a step beside the passes through CLIP alone",
    "batches": "one run of several pictures beside as many runs of one",
    "canvases": "seconds of a step by the size of the canvas",
    "peers": "the time that other loops take for as many views as ours",
    "worth": "what the judge says of pictures by the seconds that they took",
}


# --- README ---------------------------------------------------------------------------------------

PART = "bench"
PICTURE = Path("docs/bench.png")  # beside README


def say_ratios(results: Results) -> str:
    """All ratios in one table, with what belongs to a machine below it."""
    pairs = [
        (f"a step with {row['model']}, {row['views']} views", "its passes through CLIP", row)
        for row in results.get("step", [])
    ]
    pairs += [
        (
            f"one run of {row['pictures']} pictures, {_on(row['threads'])}",
            f"{row['pictures']} runs of one",
            row,
        )
        for row in results.get("batches", [])
        if row["pictures"] > 1
    ]
    pairs += [
        (f"{row['loop']} with {row['model']}", "our step with as many views", row)
        for row in results.get("peers", [])
        if "ratio" in row
    ]
    rows = [(one, other, ratio(row), str(row["pairs"])) for one, other, row in pairs]
    parts = [table(("time of", "÷ time of", "ratio [quartiles]", "pairs"), rows)]
    if results.get("arithmetic"):
        parts.append(say_arithmetic(results["arithmetic"]))
    if results.get("canvases"):
        parts.append(say_canvases(results["canvases"]))
    if results.get("worth"):
        parts.append(say_worth(results["worth"]))
    return "\n\n".join([*parts, say_machine(results["machine"])])


def write_readme(results: Results, readme: Path) -> None:
    """Put the tables and the plot between the marks of `readme`; the JSON stands by the plot."""
    check_readme(readme, PART)
    write_atomically((readme.parent / PICTURE).with_suffix(".json"), as_json(results))
    drawn = plot(results)
    write_atomically(readme.parent / PICTURE, drawn.to_png())
    image = f"![{drawn.description}]({PICTURE.as_posix()})"
    put_into_readme(readme, PART, f"{say_ratios(results)}\n\n{image}")
