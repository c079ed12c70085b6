# SPDX-License-Identifier: MIT OR Apache-2.0
"""Bars of instructions a frame, as SVG. Knows scenes and groups; knows nothing of what is good."""

from html import escape

COLOURS = {1: "#2a6f97", 2: "#61a5c2", 3: "#e09f3e", 4: "#f2cc8f"}
# What stands side by side.
PANELS = [
    ("a file, 640x480, all processes", ["floor-480", "mill", "ffmpeg-480", "gst-480", "ctl-480"]),
    ("a file, 1920x1080, all processes", ["floor-1080", "mill-1080", "ffmpeg-1080", "gst-1080", "ctl-1080"]),
    ("a camera, 640x480, all processes", ["floor-camera", "mill-camera", "ustreamer", "gst-camera-dmabuf", "gst-camera-mmap", "ffmpeg-camera"]),
    ("the engine alone, 640x480", ["floor", "mill", "mill-4", "mill-16", "mill-camera", "floor-coded", "mill-coded"]),
]
ROW, WIDTH, LABEL = 22, 560, 150


def panel(top, title, names, scenes, groups, only):
    yield f'<text x="0" y="{top + 14}" font-weight="bold">{escape(title)}: k instructions a frame</text>'
    sums = {name: {number: group["sum"] / 1000 for number, group in scenes[name]["groups"].items() if not only or number == 1} for name in names}
    scale = (WIDTH - LABEL - 70) / max(sum(parts.values()) for parts in sums.values())
    for row, name in enumerate(names):
        y, x = top + ROW * (row + 1), LABEL
        yield f'<text x="{LABEL - 6}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
        for number, value in sorted(sums[name].items()):
            title = f"{groups[number]} {value:.1f}"
            yield f'<rect x="{x:.1f}" y="{y + 2}" width="{value * scale:.1f}" height="{ROW - 6}" fill="{COLOURS[number]}"><title>{title}</title></rect>'
            x += value * scale
        yield f'<text x="{x + 5:.1f}" y="{y + 14}">{sum(sums[name].values()):.1f}</text>'


def plot(scenes, groups):
    body, top = [], 30
    for number, name in groups.items():
        body.append(f'<rect x="{LABEL + 100 * (number - 1)}" y="6" width="12" height="12" fill="{COLOURS[number]}"/>')
        body.append(f'<text x="{LABEL + 17 + 100 * (number - 1)}" y="16">{name}</text>')
    for title, names in PANELS:
        there = [name for name in names if scenes.get(name, {"groups": {}})["groups"]]
        if there:
            body += panel(top, title, there, scenes, groups, title.startswith("the engine"))
            top += ROW * (len(there) + 2)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n')
