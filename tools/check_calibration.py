#!/usr/bin/env python3
"""Predicts models from one local run of another, then measures them: how far off `hearth plan --calibrate` is.

    python3 tools/check_calibration.py --hearth build/release/src/cli/hearth [--type q8_0] [--folder DIR] [--rounds 5]

Random weights of four shapes are written (once). In each round, for each of the last three, the first is benchmarked, the
other is predicted from that one run, then benchmarked itself; medians over the rounds count. A round in whose two runs the
machine's own ceilings differ by more than a tenth is printed and left aside: that drift is not what is asked about.
Needs the machine to itself, some gigabytes of memory and disk, and minutes.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

SHAPES = {  # name: flags of hearth synth
    "qwen3 0.6B": ("--arch", "qwen3", "--like", "0.6B"),
    "qwen3 1.7B": ("--arch", "qwen3", "--like", "1.7B"),
    "llama 1B": ("--arch", "llama", "--like", "1B"),
    "qwen3 30B-A3B, 4 layers": ("--arch", "qwen3", "--like", "30B-A3B", "--layers", "4"),
}
DRIFT_MAX = 1.1  # of a ceiling, between two runs of a round that counts


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hearth", default="build/release/src/cli/hearth")
    parser.add_argument("--type", default="q8_0", help="of the weights of all shapes")
    parser.add_argument("--from", dest="source", default="qwen3 0.6B", choices=SHAPES, help="the model that is run first")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the models are written, and kept")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only-synth", action="store_true", help="write the models and stop")
    args = parser.parse_args()
    files = {}
    for name, flags in SHAPES.items():
        files[name] = Path(args.folder) / f"hearth-{'-'.join(flags[1::2])}-{args.type}.gguf"
        if not files[name].exists():
            run(args.hearth, "synth", *flags, "--type", args.type, "--out", files[name])
    if args.only_synth:
        return
    rows = []
    for _ in range(args.rounds):
        for name, file in files.items():
            if name == args.source:
                continue
            row = one_round(args, files[args.source], name, file)
            rows.append(row)
            if not args.json:
                print(f"{name:26} decode {100 * row['decode']:+6.1f} %  prefill {100 * row['prefill']:+6.1f} %"
                      f"  memory {row['memory_drift']:.2f}, arithmetic {row['arithmetic_drift']:.2f} of the run before",
                      flush=True)
    medians = [{"model": name, "phase": phase, "rounds": len(errors), "error": statistics.median(errors)}
               for name in files if name != args.source for phase in ("decode", "prefill")
               if (errors := [row[phase] for row in rows if row["model"] == name and is_steady(row)])]
    if args.json:
        print(json.dumps({"type": args.type, "from": args.source, "medians": medians, "rounds": rows}, indent=1))
        return
    print(f"\n{args.type}, from one run of {args.source}; medians of the rounds in which the machine stood still:")
    for m in medians:
        print(f"{m['model']:26} {m['phase']:8} {100 * m['error']:+6.1f} %  ({m['rounds']} of {args.rounds} rounds)")


def is_steady(row):
    return all(1 / DRIFT_MAX <= row[key] <= DRIFT_MAX for key in ("memory_drift", "arithmetic_drift"))


def one_round(args, source, name, file):
    bench = ("bench", "--prompt", f"{args.prompt},{args.prompt // 16}", "--decode", "32", "--repeats", "3", "--json")
    record = Path(args.folder) / "hearth-calibration.json"
    record.write_text(run(args.hearth, *bench, source))
    before = json.loads(record.read_text())["ceilings"]
    plan = json.loads(run(args.hearth, "plan", file, "--context", "1024", "--calibrate", record, "--json"))["rows"][0]
    seen = json.loads(run(args.hearth, *bench, file))
    row = {"model": name,
           "memory_drift": seen["ceilings"]["read_bytes_per_second"] / before["read_bytes_per_second"],
           "arithmetic_drift": seen["ceilings"]["int8_ops_per_second"] / max(1, before["int8_ops_per_second"])
           if before["int8_ops_per_second"] else 1}
    for phase in ("decode", "prefill"):
        row[phase] = plan[f"{phase}_tokens_per_second_expected"] / seen[f"{phase}_tokens_per_second"] - 1
    return row


if __name__ == "__main__":
    main()
