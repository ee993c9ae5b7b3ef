#!/usr/bin/env python3
"""Predicts models from one local run of another, then measures them: how far off `hearth plan --calibrate` is.

    python3 tools/check_calibration.py --hearth build/release/src/cli/hearth [--type q8_0] [--folder DIR]

Random weights of four shapes are written (once). For each of the last three, the first is benchmarked, the other is
predicted from that one run, then benchmarked itself. Needs the machine to itself, some gigabytes of memory and disk, and minutes.
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

SHAPES = {  # name: flags of hearth synth
    "qwen3 0.6B": ("--arch", "qwen3", "--like", "0.6B"),
    "qwen3 1.7B": ("--arch", "qwen3", "--like", "1.7B"),
    "llama 1B": ("--arch", "llama", "--like", "1B"),
    "qwen3 30B-A3B, 4 layers": ("--arch", "qwen3", "--like", "30B-A3B", "--layers", "4"),
}


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
    bench = ("bench", "--prompt", str(args.prompt), "--decode", "32", "--repeats", "3", "--json")
    record = Path(args.folder) / "hearth-calibration.json"
    rows = []
    for name, file in files.items():
        if name == args.source:
            continue
        # Just before each: shared machines drift within minutes, and that drift is not what is asked about.
        record.write_text(run(args.hearth, *bench, files[args.source]))
        plan = json.loads(run(args.hearth, "plan", file, "--context", "1024", "--calibrate", record, "--json"))["rows"][0]
        seen = json.loads(run(args.hearth, *bench, file))
        for phase in ("decode", "prefill"):
            predicted, measured = plan[f"{phase}_tokens_per_second_expected"], seen[f"{phase}_tokens_per_second"]
            rows.append({"model": name, "phase": phase, "predicted": predicted, "measured": measured,
                         "error": predicted / measured - 1})
            if not args.json:
                print(f"{name:26} {phase:8} predicted {predicted:8.1f}  measured {measured:8.1f}"
                      f"  {100 * rows[-1]['error']:+6.1f} %", flush=True)
    if args.json:
        print(json.dumps({"type": args.type, "from": args.source, "rows": rows}, indent=1))
        return
    print(f"{args.type}, from one run of {args.source}; worst: {100 * max(abs(row['error']) for row in rows):.1f} %")


if __name__ == "__main__":
    main()
