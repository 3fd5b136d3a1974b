"""Line charts as SVG that can be read in light and in dark, in print, and by a screen reader."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, BOTTOM = 84, 44, 58
LEGEND, ROW = 55, 24
# Wide enough for the widest letters of the fonts below at 13 px.
LETTER = 7.4

# Told apart by those who see no colors too: by lightness, and each line has a mark of its own.
STYLE = """
  .paper { fill: #ffffff } .text { fill: #1f2328 } .soft { fill: #59636e }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .axis { stroke: #59636e; stroke-width: 1 }
  .s0 { --c: #0b62b0 } .s1 { --c: #b8480a } .s2 { --c: #0a7a57 } .s3 { --c: #8a3f9c } .s4 { --c: #6b5d00 }
  .line { fill: none; stroke: var(--c); stroke-width: 3.5 } .mark { fill: var(--c) }
  /* Ours, on top of those that it may lie on. */
  .s0 .line { stroke-width: 1.75 }
  text { font: 13px system-ui, "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums }
  .title { font-size: 17px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .text { fill: #f0f6fc } .soft { fill: #a5b1bd }
    .grid { stroke: #2d343c } .axis { stroke: #a5b1bd }
    .s0 { --c: #6cb6ff } .s1 { --c: #ff9e64 } .s2 { --c: #4fd6a5 } .s3 { --c: #d9a0ea } .s4 { --c: #d8c94a }
  }
"""


def step(most, ticks):
    """A round distance between ticks: 1, 2 or 5 times a power of ten."""
    raw = most / ticks
    power = 10 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)


def number(value, distance):
    return f"{value:,.{max(0, -math.floor(math.log10(distance)))}f}"


def mark(kind, x, y):
    """A mark of about 8 px."""
    if kind % 5 == 0:
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    corners = [
        [(-4, -4), (4, -4), (4, 4), (-4, 4)],
        [(0, -5), (5, 4), (-5, 4)],
        [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)],
        [(0, 5), (5, -4), (-5, -4)],
    ][kind % 5 - 1]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="mark" points="{points}"/>'


def legend(names):
    """Where each name goes: its row and how far to the right."""
    places, row, x = [], 0, 20.0
    for name in names:
        wide = 33 + LETTER * len(name) + 18
        if x > 20 and x + wide > WIDTH:
            row, x = row + 1, 20.0
        places.append((row, x))
        x += wide
    return places


def chart(title, about, across, up, unit, series):
    """Lines from zero on both axes. `series`: (name, [(x, y), ...]); `across` and `up` name the axes,
    `unit` is what the values on the upright one are in."""
    series = [(name, sorted(points)) for name, points in series if points]
    most_x = max(x for _, points in series for x, _ in points)
    most_y = max(y for _, points in series for _, y in points)
    step_x, step_y = step(most_x, 6), step(most_y * 1.02, 6)
    top_x, top_y = math.ceil(most_x / step_x) * step_x, math.ceil(most_y * 1.02 / step_y) * step_y
    last = [f"{name}: {number(points[-1][1], step_y / 10)} {unit}" for name, points in series]
    places = legend(last)
    top = LEGEND + ROW * places[-1][0] + 50
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - top - BOTTOM
    at_x = lambda x: LEFT + wide * x / top_x
    at_y = lambda y: top + high * (1 - y / top_y)
    told = f"At {most_x:,}, {'; '.join(last)}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(f"{about} {up} by {across}. {told}.")}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="text title" x="20" y="30">{escape(title)}</text>',
    ]
    # With the last value, since lines may lie on each other.
    for kind, (text, (row, x)) in enumerate(zip(last, places)):
        y = LEGEND + ROW * row
        out.append(f'<g class="s{kind}"><path class="line" d="M{x:.0f} {y - 4.5}h26"/>{mark(kind, x + 13, y - 4.5)}</g>')
        out.append(f'<text class="text" x="{x + 33:.0f}" y="{y}">{escape(text)}</text>')
    out.append(f'<text class="soft" x="20" y="{top - 20}">{escape(up)}</text>')
    count = round(top_y / step_y)
    for i in range(count + 1):
        y = at_y(i * step_y)
        out.append(f'<path class="{"grid" if i else "axis"}" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        out.append(
            f'<text class="soft" x="{LEFT - 10}" y="{y + 4.5:.1f}" text-anchor="end">'
            f"{number(i * step_y, step_y)}</text>"
        )
    for i in range(round(top_x / step_x) + 1):
        out.append(f'<path class="axis" d="M{at_x(i * step_x):.1f} {top + high}v5"/>')
        out.append(
            f'<text class="soft" x="{at_x(i * step_x):.1f}" y="{top + high + 21}" text-anchor="middle">'
            f"{number(i * step_x, step_x)}</text>"
        )
    out.append(
        f'<text class="soft" x="{LEFT + wide / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">'
        f"{escape(across)}</text>"
    )
    # The first of the series is ours: drawn last, on top.
    for kind, (name, points) in reversed(list(enumerate(series))):
        path = "L".join(f"{at_x(x):.1f} {at_y(y):.1f}" for x, y in points)
        marks = "".join(mark(kind, at_x(x), at_y(y)) for x, y in points)
        out.append(f'<g class="s{kind}"><path class="line" d="M{path}"/>{marks}</g>')
    return "\n".join([*out, "</svg>", ""])
