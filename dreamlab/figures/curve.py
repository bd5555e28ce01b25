"""The loss curve while it is being made, as a few lines of SVG.

A redrawn matplotlib figure costs 20 ms, a blitted one 5 ms, this text a fraction of one: the dream
keeps the processor. It is also sharp on a projector, takes its colours from the page (light or
dark), and a screen reader can be told what it shows. The figure that stays in the notebook is
drawn by `dreamlab.figures.static`.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape

WIDTH, HEIGHT = 560, 300  # of the drawing's own coordinates; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 38, 14, 30, 34  # margins
POINTS = 400  # a trace never holds more than twice as many

# Okabe and Ito's colours, which people with any colour vision tell apart, in a version for a light
# and one for a dark page. Each line also has a shape of its own, so that a grey print still reads.
STYLE = """
.dreamlab {--dl-clip:#0072B2; --dl-tv:#D55E00; --dl-judge:#009E73; --dl-ink:#333; --dl-faint:#999;
  --dl-rule:rgba(128,128,128,.28); --dl-warn:#B34700}
body[data-jp-theme-light="false"] .dreamlab, html[theme="dark"] .dreamlab, .vscode-dark .dreamlab
  {--dl-clip:#56B4E9; --dl-tv:#E69F00; --dl-judge:#2BC79A; --dl-ink:#ddd; --dl-faint:#888;
  --dl-warn:#FFB066}
.dreamlab svg text {font:11px system-ui,sans-serif; fill:var(--dl-ink)}
.dreamlab svg .turned {paint-order:stroke; stroke:var(--jp-layout-color0,#8880); stroke-width:3px}
.dreamlab svg .faint {fill:var(--dl-faint)}
.dreamlab svg path {fill:none; stroke-linejoin:round}
.dreamlab svg .clip {stroke:var(--dl-clip); stroke-width:2.2}
.dreamlab svg .total {stroke:var(--dl-ink); stroke-width:4.5; opacity:.3}
.dreamlab svg .tv {stroke:var(--dl-tv); stroke-width:1.8; stroke-dasharray:5 3}
.dreamlab svg .judge {stroke:var(--dl-judge); stroke-width:1.4}
.dreamlab svg circle.judge {fill:var(--dl-judge); stroke:none}
.dreamlab svg .rule {stroke:var(--dl-rule)}
.dreamlab svg .octave {stroke:var(--dl-faint); stroke-dasharray:2 3}
.dreamlab svg polygon {fill:var(--dl-ink)}
"""
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
        if not math.isfinite(value):
            return
        self._pending.append((step, value))
        if len(self._pending) < self._stride:
            return
        steps, values = zip(*self._pending, strict=True)
        self.steps.append(sum(steps) / len(steps))
        self.values.append(sum(values) / len(values))
        self._pending = []
        if len(self.values) >= 2 * POINTS:
            self.steps, self.values = _halved(self.steps), _halved(self.values)
            self._stride *= 2


def _halved(values: list[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(values[::2], values[1::2], strict=True)]


class LossCurve:
    """The terms of the loss against the step, drawn by `svg`.

    Args:
        steps: how many steps the run will have (the length of the horizontal axis).
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.traces = {name: Trace() for name in NAMES}
        self.octaves: list[tuple[int, str]] = []
        self.changes: list[tuple[int, str, str]] = []  # step, knob, text

    def add(self, step: int, **values: float) -> None:
        """Append values of the lines (total, clip, tv, judge) at this step."""
        self.steps = max(self.steps, step)
        for name, value in values.items():
            self.traces[name].add(step, value)

    def mark_octave(self, step: int, label: str) -> None:
        """A dotted line where a new octave begins."""
        self.octaves.append((step, label))

    def mark_change(self, step: int, knob: str, text: str) -> None:
        """A small triangle where a knob was turned; a drag of a slider leaves one, not fifty."""
        if self.changes:
            before, same, _ = self.changes[-1]
            if same == knob and step - before <= max(3, 0.03 * self.steps):
                self.changes.pop()
        self.changes.append((step, knob, text))
        del self.changes[:-40]

    def limits(self) -> tuple[float, float]:
        """The ends of the vertical axis, see `limits`."""
        return limits((trace.steps, trace.values) for trace in self.traces.values())

    def svg(self, ends: tuple[float, float] | None = None) -> str:
        """The drawing, an ``<svg>`` element of a few kilobytes that scales to its container.

        Args:
            ends: of the vertical axis; default: `limits`, which fit this curve.
        """
        low, high = ends or self.limits()
        tick = tick_size(high - low)
        right, base = WIDTH - RIGHT, HEIGHT - BOTTOM

        def x(step: float) -> float:
            return LEFT + (right - LEFT) * step / max(self.steps, 1)

        def y(value: float) -> float:
            # Lines that leave the axes are kept near them: a browser dislikes y = -1e9.
            share = (value - low) / (high - low)
            return base - (base - TOP) * min(max(share, -0.2), 1.2)

        parts = []
        for i in range(round((high - low) / tick) + 1):
            value = low + i * tick
            parts.append(
                f'<path class="rule" d="M{LEFT},{y(value):.1f}H{right}"/>'
                f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
            )
        step_tick = tick_size(max(self.steps, 1), whole=True)
        for step in range(0, self.steps + 1, int(step_tick)):
            parts.append(
                f'<text x="{x(step):.1f}" y="{base + 16}" text-anchor="middle">{step}</text>'
            )
        word = f'<text class="faint" x="{right}" y="{HEIGHT - 3}" text-anchor="end">step</text>'
        parts.append(word)
        for step, label in self.octaves:
            parts.append(
                f'<path class="octave" d="M{x(step):.1f},{TOP}V{base}"/>'
                f'<text class="faint" x="{x(step) + 4:.1f}" y="{TOP + 11}">{escape(label)}</text>'
            )
        # An inner <svg> cuts off what leaves the axes, and needs no id, which two panels on one
        # page would share.
        box = f"{LEFT} {TOP} {right - LEFT} {base - TOP}"
        parts.append(
            f'<svg x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{base - TOP}" '
            f'viewBox="{box}">'
        )
        for name, trace in self.traces.items():
            pairs = zip(trace.steps, trace.values, strict=True)
            points = [f"{x(step):.1f},{y(value):.1f}" for step, value in pairs]
            if points:
                parts.append(f'<path class="{name}" d="M{" ".join(points)}"/>')
            if name == "judge":
                dots = (point.split(",") for point in points[-60:])
                parts += [f'<circle class="judge" cx="{a}" cy="{b}" r="2.6"/>' for a, b in dots]
        parts.append("</svg>")
        for number, (step, _, text) in enumerate(self.changes, 1):
            at = x(step)
            parts.append(
                f'<polygon points="{at:.1f},{base - 7} {at - 4:.1f},{base} {at + 4:.1f},{base}">'
                f"<title>step {step}: {escape(text)}</title></polygon>"
            )
            if number == len(self.changes):  # the last one says what it was
                end = at > WIDTH * 0.7
                parts.append(
                    f'<text class="turned" x="{at + (-6 if end else 6):.1f}" y="{base - 10}" '
                    f'text-anchor="{"end" if end else "start"}">{escape(text)}</text>'
                )
        parts.append(self._legend())
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" '
            f'aria-label="{escape(self.describe(), quote=True)}">{"".join(parts)}</svg>'
        )

    def describe(self) -> str:
        """The last value of each line, in words."""
        values = [
            f"{NAMES[n]} {short(t.last)}" for n, t in self.traces.items() if math.isfinite(t.last)
        ]
        return "Loss curve: " + (", ".join(values) or "no steps yet")

    def _legend(self) -> str:
        parts, at = [], LEFT
        for name, trace in self.traces.items():
            if name == "judge" and not trace.values:
                continue  # nobody was asked
            value = short(trace.last) if math.isfinite(trace.last) else "–"
            dot = (
                f'<circle class="judge" cx="{at + 10}" cy="13" r="2.6"/>' if name == "judge" else ""
            )
            parts.append(
                f'<path class="{name}" d="M{at},13h20"/>{dot}'
                f'<text x="{at + 25}" y="17">{NAMES[name]} {value}</text>'
            )
            at += 115
        return "".join(parts)


def limits(lines: Iterable[tuple[Sequence[float], Sequence[float]]]) -> tuple[float, float]:
    """The ends of an axis for lines of (steps, values): 0 and all values, rounded outwards.

    Where the first few steps are far above all that follow, as they are in a run from noise, they
    are left out: one high point would press the rest flat.
    """
    early, late = [0.0], [0.0]
    for steps, values in lines:
        for step, value in zip(steps, values, strict=True):
            if math.isfinite(value):
                (late if step > 5 else early).append(float(value))
    if len(late) == 1 or max(early) < 2.5 * max(late):
        late += early
    low, high = min(late), max(late)
    tick = tick_size(high - low)
    return math.floor(low / tick) * tick, max(math.ceil(high / tick), 1) * tick


def short(value: float) -> str:
    """Two decimals, or two digits where these would show nothing."""
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def tick_size(span: float, *, whole: bool = False) -> float:
    """A round distance (1, 2 or 5 times a power of ten) that cuts ``span`` into 4 to 8 parts."""
    rough = max(span, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * 0.999)
    return max(1, round(size)) if whole else size
