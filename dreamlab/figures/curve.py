"""The loss curve while it is being made, as SVG in the page's colours: a hundredth of a figure."""

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 560, 300  # of the drawing's own coordinates; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 38, 14, 42, 34  # margins
POINTS = 400  # a trace never holds more than twice as many
NAMES = {"total": "total", "clip": "CLIP", "tv": "λ·TV", "judge": "judge"}


class Trace:
    """A line of fewer than ``2 * POINTS`` points: when it is full, neighbours are averaged."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.values: list[float] = []
        self.last = math.nan
        self._stride, self._pending = 1, []

    def add(self, step: float, value: float) -> None:
        """Append one point; values that are not finite leave a point out."""
        self.last = value
        if math.isfinite(value):
            self._pending.append((step, value))
        if len(self._pending) == self._stride:
            step, value = np.mean(self._pending, 0).tolist()
            self.steps.append(step)
            self.values.append(value)
            self._pending = []
        if len(self.values) == 2 * POINTS:
            halved = np.reshape([self.steps, self.values], (2, -1, 2)).mean(-1)
            self.steps, self.values = halved.tolist()
            self._stride *= 2


class LossCurve:
    """The terms of the loss against the step (0 … steps), drawn by `svg`."""

    def __init__(self, steps: int, height: int = HEIGHT) -> None:
        self.steps, self.height = steps, height
        self.traces = {name: Trace() for name in NAMES}
        self.octaves: list[tuple[int, str]] = []
        self.changes: list[tuple[int, str, str]] = []  # step, knob, text

    def add(self, step: int, **values: float) -> None:
        """Append values of the lines (total, clip, tv, judge) at this step."""
        self.steps = max(self.steps, step)
        for name, value in values.items():
            self.traces[name].add(step, value)

    def mark_change(self, step: int, knob: str, text: str) -> None:
        """A small triangle where a knob was turned; a drag of a slider leaves one, not fifty."""
        if self.changes:
            before, same, _ = self.changes[-1]
            if same == knob and step - before <= max(3, 0.03 * self.steps):
                self.changes.pop()
        self.changes.append((step, knob, text))
        del self.changes[:-40]

    def limits(self) -> tuple[float, float]:
        return limits((trace.steps, trace.values) for trace in self.traces.values())

    def svg(self, ends: tuple[float, float] | None = None) -> str:
        """An ``<svg>`` that scales to its container; `ends` of the vertical axis, or `limits`."""
        low, high = ends or self.limits()
        right, base = WIDTH - RIGHT, self.height - BOTTOM

        def x(step: float) -> float:
            return LEFT + (right - LEFT) * step / max(self.steps, 1)

        def y(value: float) -> float:
            # Lines that leave the axes are kept near them: a browser dislikes y = -1e9.
            share = (value - low) / (high - low)
            return base - (base - TOP) * min(max(share, -0.2), 1.2)

        def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
            place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
            return f'<text class="{kind}" {place}>{escape(words)}</text>'

        parts = [text(right, self.height - 3, "step", "faint", "end")]
        for value in ticks(low, high):
            if not low <= value <= high:
                continue
            parts.append(f'<path class="rule" d="M{LEFT},{y(value):.1f}H{right}"/>')
            parts.append(text(LEFT - 6, y(value) + 4, f"{value:g}", anchor="end"))
        for step in ticks(0, max(self.steps, 1), integer=True):
            if step <= self.steps:
                parts.append(text(x(step), base + 16, f"{step:g}", anchor="middle"))
        for step, label in self.octaves:
            parts.append(f'<path class="octave" d="M{x(step):.1f},{TOP}V{base}"/>')
            parts.append(text(x(step), TOP - 5, label, "faint"))  # above all curves
        # An inner <svg> cuts off what leaves the axes, but for half a dot; it needs no id.
        left, top, width, height = LEFT - 3, TOP - 3, right - LEFT + 6, base - TOP + 6
        parts.append(f'<svg x="{left}" y="{top}" width="{width}" height="{height}" ')
        parts.append(f'viewBox="{left} {top} {width} {height}">')
        for name, trace in self.traces.items():
            points = [(x(s), y(v)) for s, v in zip(trace.steps, trace.values, strict=True)]
            if points:
                line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
                parts.append(f'<path class="{name}" d="M{line}"/>')
            if name == "judge":
                parts += map(_dot, points[-60:])
        parts.append("</svg>")
        for step, _, words in self.changes:
            at = x(step)
            corners = f"{at:.1f},{base - 7} {at - 4:.1f},{base} {at + 4:.1f},{base}"
            title = f"<title>step {step}: {escape(words)}</title>"
            parts.append(f'<polygon points="{corners}">{title}</polygon>')
        if self.changes:  # the last one says what it was
            aside, anchor = (-6, "end") if at > WIDTH * 0.7 else (6, "start")
            parts.append(text(at + aside, base - 10, words, "turned", anchor))
        at = LEFT  # of the legend
        for name, trace in self.traces.items():
            if name == "judge":
                if not trace.values:
                    continue  # nobody was asked
                parts.append(_dot((at + 10, 13)))
            value = short(trace.last) if math.isfinite(trace.last) else "–"
            parts.append(f'<path class="{name}" d="M{at},13h20"/>')
            parts.append(text(at + 25, 17, f"{NAMES[name]} {value}"))
            at += 115
        return (
            f'<svg viewBox="0 0 {WIDTH} {self.height}" width="100%" role="img" '
            f'aria-label="{escape(self.describe(), quote=True)}">{"".join(parts)}</svg>'
        )

    def describe(self) -> str:
        """The last value of each line, in words."""
        known = {n: short(t.last) for n, t in self.traces.items() if math.isfinite(t.last)}
        values = [f"{NAMES[name]} {value}" for name, value in known.items()]
        return "Loss curve: " + (", ".join(values) or "no steps yet")


def _dot(point: tuple[float, float]) -> str:
    return f'<circle class="judge" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="2.6"/>'


def limits(lines: Iterable[tuple[Sequence[float], Sequence[float]]]) -> tuple[float, float]:
    """The ends of an axis for (steps, values), without the first 5 where these are far above."""
    early, late = [0.0], [0.0]
    for steps, values in lines:
        for step, value in zip(steps, values, strict=True):
            if math.isfinite(value):
                (late if step > 5 else early).append(float(value))
    if len(late) == 1 or max(early) < 2.5 * max(late):
        late += early
    ends = ticks(min(late), max(late))
    return ends[0], ends[-1]


def ticks(low: float, high: float, *, integer: bool = False) -> list[float]:
    """Round numbers at equal distances that hold the range from `low` to `high` between them."""
    locator = MaxNLocator(6, steps=[1, 2, 5, 10], integer=integer)
    return locator.tick_values(low, high if high > low else low + 1).tolist()


def short(value: float) -> str:
    """Two decimals, or two digits where these would show nothing."""
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
