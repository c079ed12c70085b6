#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the plugin counted and the guest measured, as tables, JSON and a plot. Knows the names of scenes; knows nothing of how they ran.

    report.py --counts FILE --host DIR --out DIR [--gate] [--parts SCENE]… [--program FILE]

--gate prints NAME=NUMBER for the engine's instructions a frame, and nothing else. --program is Framemill's with its symbols, for --parts."""

import argparse
import bisect
import collections
import json
import pathlib
import subprocess
import sys

from plot import plot

GROUPS = {1: "engine", 2: "producer", 3: "consumer", 4: "others"}
# Each is compared with the floor of the same kind.
FLOORS = {"mill": "floor", "mill-4": "floor", "mill-16": "floor", "mill-camera": "floor-camera", "mill-coded": "floor-coded"}
GATE = {"engine": ("mill", 1), "engine_16": ("mill-16", 1), "engine_camera": ("mill-camera", 1), "consumer": ("mill", 3)}


def load(counts, host):
    """For each scene its groups, each a frame's worth: user, kernel, sum, calls, switches, faults, and what these are made of."""
    labels = dict(line.split() for line in (host / "names").read_text().splitlines())
    scenes, scene, frames = {}, None, 1
    for words in map(str.split, counts.open()):
        if words[0] == "dump":
            scene = {"groups": {}} if words[1] in labels else None
            if scene is not None:
                # One that ran twice: the second time counts.
                scenes[labels[words[1]]] = scene
        elif scene is None:
            continue
        elif words[0] == "group":
            values = {words[at]: int(words[at + 1]) for at in range(2, len(words), 2)}
            if int(words[1]) in GROUPS and values["user"] + values["kernel"]:
                scene["groups"][int(words[1])] = {**values, "calls": 0, "parts": {}, "functions": {}, "blocks": []}
        elif words[0] == "frames":
            scene["frames"] = int(words[1])
        elif words[0] in ("call", "function", "block") and int(words[1]) in scene["groups"]:
            group = scene["groups"][int(words[1])]
            if words[0] == "block":
                group["blocks"].append((int(words[2], 16), int(words[3]) * int(words[4])))
            elif words[0] == "call":
                group["calls"] += int(words[3])
                group["parts"][words[2]] = (int(words[3]), int(words[4]))
            else:
                group["functions"][words[2]] = int(words[3])
    for scene in scenes.values():
        for group in scene["groups"].values():
            frames = max(scene["frames"], 1)
            for key in ("user", "kernel", "calls", "switches", "faults"):
                group[key] /= frames
            group["sum"] = group["user"] + group["kernel"]
            group["parts"] = {name: (n / frames, i / frames) for name, (n, i) in group["parts"].items()}
            group["functions"] = {name: i / frames for name, i in group["functions"].items()}
            group["blocks"] = [(address, i / frames) for address, i in group["blocks"] if not address >> 63]
    return scenes


class Program:
    """Where a program's functions begin, which lies at the address that it was linked for."""

    def __init__(self, path):
        listing = subprocess.run(["aarch64-linux-gnu-nm", "-nC", path], check=True, capture_output=True, text=True).stdout
        symbols = [line.split(maxsplit=2) for line in listing.splitlines() if line[17:18] in "tTwW"]
        self.names = [words[2] for words in symbols]
        self.addresses = [int(words[0], 16) for words in symbols]
        self.end = self.addresses[-1] + 4096

    def name(self, address):
        at = bisect.bisect_right(self.addresses, address)
        return self.names[at - 1] if at and address < self.end else "the vDSO"

    def functions(self, blocks):
        sums = collections.Counter()
        for address, instructions in blocks:
            sums[self.name(address)] += instructions
        return sums.most_common()


def percentiles(values):
    values = sorted(values)
    return {"p50": values[len(values) // 2] / 1000, "p99": values[len(values) * 99 // 100] / 1000, "max": values[-1] / 1000} if values else None


def latencies(host):
    """Microseconds: from commit to QBUF, from DQBUF to publication, from there to the bytes behind tap, and all of it."""
    found = {}
    for path in sorted(host.glob("*.index")):
        lines = [line.split() for line in path.read_text().splitlines()[1:]]
        packets = [[int(word) for word in words[5:9]] + [int(words[1])] for words in lines if int(words[1])]
        reads, out, end = [], [], 0
        # While consumers come, the engine measures what they cost, for ten seconds.
        settled = packets[0][0] + 12e9
        for line in path.with_suffix(".stamps").read_text().splitlines():
            time, count = map(int, line.split())
            end += count
            reads.append((end, time))
        end, at = 0, 0
        for packet in packets:
            end += packet[4]
            while at < len(reads) and reads[at][0] < end:
                at += 1
            if at < len(reads):
                out.append(reads[at][1])
        # The last packet comes while everybody leaves; what it waits is a figure of its own.
        found[path.stem] = {
            "commit to QBUF": percentiles([p[1] - p[0] for p in packets[:-1] if p[0] > settled]),
            "DQBUF to published": percentiles([p[3] - p[2] for p in packets[:-1] if p[0] > settled]),
            "published to out": percentiles([o - p[3] for o, p in zip(out[:-1], packets) if p[0] > settled]),
            "commit to out": percentiles([o - p[0] for o, p in zip(out[:-1], packets) if p[0] > settled]),
            "last published to out": {"max": (out[-1] - packets[-1][3]) / 1000} if len(out) == len(packets) else None,
        }
    return found


def troubles(host):
    """What makes a scene worthless: lost frames, and whatever a program had to say."""
    for path in sorted(host.glob("*.stat")):
        stat = json.loads(path.read_text())
        lost = {name: value for name, value in stat.items() if value and ("dropped" in name or "lost" in name) and isinstance(value, int)}
        if lost:
            yield f"{path.stem}: {lost}"
    for path in sorted(host.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if any(word in line for word in ("rror", "failed", "lost ", "dropped ")):
                yield f"{path.stem}: {line}"


class Tables:
    def __init__(self, scenes):
        self.scenes, self.figures = scenes, {}

    def value(self, scene, group=1, key="sum"):
        group = self.scenes.get(scene, {"groups": {}})["groups"].get(group)
        return group[key] if group else None

    def all(self, scene):
        groups = self.scenes.get(scene, {"groups": {}})["groups"]
        return sum(group["sum"] for group in groups.values()) if groups else None

    def ratio(self, name, value, of, goal=""):
        if value and of:
            self.figures[name] = value / of
            print(f"  {name:62} {value / of:8.2f} {goal}")

    def figure(self, name, value, goal=""):
        if value is not None:
            self.figures[name] = value
            print(f"  {name:62} {value:8.2f} {goal}")

    def counts(self):
        print(f"{'':26} {'':9} {'user':>8} {'kernel':>8} {'sum':>9} {'calls':>7} {'switches':>8} {'faults':>7}   a frame")
        for name, scene in self.scenes.items():
            if name.startswith("start"):
                continue
            for number, group in sorted(scene["groups"].items()):
                print(f"{name:26} {GROUPS[number]:9} {group['user']:8.0f} {group['kernel']:8.0f} {group['sum']:9.0f} {group['calls']:7.2f} "
                      f"{group['switches']:8.2f} {group['faults']:7.3f}")

    def ratios(self):
        print("\nratios of instructions a frame, and the goals")
        for name, floor in FLOORS.items():
            self.ratio(f"{name}: engine / floor", self.value(name), self.value(floor))
            self.figure(f"{name}: calls of the engine", self.value(name, key="calls"))
        if self.value("mill-16"):
            self.figure("each further consumer, k of the engine", (self.value("mill-16") - self.value("mill")) / 15000)
            self.figure("each further consumer, k of its own", self.value("mill-16", 4) / 15000)
        for peer, scene in (("ffmpeg", "ffmpeg"), ("GStreamer", "gst"), ("v4l2-ctl", "ctl"), ("floor", "floor")):
            for rows in ("480", "720", "1080"):
                ours = self.all("mill" if rows == "480" else f"mill-{rows}")
                self.ratio(f"file, {rows} rows: push + engine + tap / {peer}", ours, self.all(f"{scene}-{rows}"))
        for peer, scene in (("floor", "floor-camera"), ("ffmpeg", "ffmpeg-camera"), ("GStreamer, dma-buf", "gst-camera-dmabuf"),
                            ("GStreamer, mmap", "gst-camera-mmap"), ("ustreamer + dump", "ustreamer")):
            self.ratio(f"camera: engine + tap / {peer}", self.all("mill-camera"), self.all(scene))
        for name in ("mill-padded", "mill-copy", "mill-padded-copy"):
            self.figure(f"{name}: push, k", (self.value(name, 2) or 0) / 1000 or None)
            self.figure(f"{name}: engine, k", (self.value(name) or 0) / 1000 or None)
        self.ratio("mill-padded: push / floor", self.value("mill-padded", 2), self.value("floor-padded"))
        faults = [group["faults"] for name, scene in self.scenes.items() if name.startswith("mill") for group in scene["groups"].values()]
        if faults:
            self.figure("most page faults a frame of any process of ours", max(faults))

    def parts(self, wanted, program):
        for name in wanted:
            for number, group in sorted(self.scenes[name]["groups"].items()):
                print(f"\n{name}, {GROUPS[number]}: calls, and their instructions")
                for call, (count, inside) in sorted(group["parts"].items(), key=lambda one: -one[1][1]):
                    print(f"  {call:24} {count:7.2f} {inside:9.0f}  {inside / max(count, 1e-9):8.0f} each")
                print("  of the kernel's functions: " + ", ".join(
                    f"{function} {own:.0f}" for function, own in sorted(group["functions"].items(), key=lambda one: -one[1])[:30]))
                if program and name.startswith("mill"):
                    print("  of the program's own: " + ", ".join(
                        f"{function} {own:.0f}" for function, own in program.functions(group["blocks"])[:40]))


def print_times(found):
    if found:
        print("\nlatency, µs = k instructions: p50 / p99 / max")
    for scene, stages in found.items():
        for stage, values in stages.items():
            if values:
                print(f"  {scene + ': ' + stage:48} " + " / ".join(f"{value:9.1f}" for value in values.values()))


def starts(scenes, host):
    """Instructions from start to end of a run of one frame, M; and, of a joint start, µs until the packet was out."""
    found = {}
    for name, scene in scenes.items():
        if name.startswith("start"):
            found[name] = {GROUPS[number]: group["sum"] * max(scene["frames"], 1) / 1e6 for number, group in scene["groups"].items()}
    if (host / "start.begin").exists():
        begin = int((host / "start.begin").read_text())
        first = int((host / "start.stamps").read_text().split()[0])
        found["first packet after a joint start, ms"] = (first - begin) / 1e6
    floor = host / "start-floor.log"
    if floor.exists():
        found["first packet of the floor, ms"] = int(floor.read_text().split()[-2]) / 1000
    return found


def memories(host):
    found = {}
    for path in sorted(host.glob("*.memory")):
        for line in path.read_text().splitlines():
            words = line.split()
            place = words.index("rss")
            found.setdefault(path.stem, {}).setdefault(" ".join(words[:2]), " ".join(words[place:]) + " KiB")
    return found


def main():
    parser = argparse.ArgumentParser()
    for name in ("counts", "host", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--parts", action="append", default=[])
    parser.add_argument("--program", type=pathlib.Path)
    options = parser.parse_args()
    scenes = load(options.counts, options.host)
    trouble = list(troubles(options.host))
    for line in trouble:
        print(f"trouble: {line}", file=sys.stderr)
    if options.gate:
        for name, (scene, group) in GATE.items():
            print(f"{name}={scenes[scene]['groups'][group]['sum']:.0f}")
        return
    tables = Tables(scenes)
    tables.counts()
    tables.ratios()
    tables.parts(options.parts, options.program and Program(options.program))
    times = latencies(options.host)
    print_times(times)
    start, memory = starts(scenes, options.host), memories(options.host)
    print("\nstart")
    for name, value in start.items():
        print(f"  {name:48} {value if isinstance(value, dict) else round(value, 2)}")
    print("\nmemory in mid-run")
    for name in ("mill", "mill-camera", "mill-1080"):
        for program, text in memory.get(name, {}).items():
            print(f"  {name + ': ' + program:48} {text}")
    for group in (group for scene in scenes.values() for group in scene["groups"].values()):
        del group["blocks"]
    result = {"scenes": scenes, "figures": tables.figures, "latency_us": times, "start": start, "memory": memory, "trouble": trouble}
    (options.out / "bench.json").write_text(json.dumps(result, indent=1))
    (options.out / "bench.svg").write_text(plot(scenes, GROUPS))
    print(f"\n{options.out}/bench.json, {options.out}/bench.svg")


main()
