#!/usr/bin/env python3
"""What the fast mode costs in quality, beside what quantizing costs: the table of docs/numbers.md.

Cuts ember's stories into pieces, runs each through every type of weights in the exact and the fast mode
(`hearth logits`), and prints mean KL divergences over all pieces with intervals over the pieces.

    python3 tools/measure_fast_mode.py --hearth build/release/src/cli/hearth [--pieces 12] [--types nvfp4,q4_0]

Needs numpy (tools/requirements.txt).
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

PIECE_CHARS = 2400
TYPES = ["bf16", "q8_0", "q6_k", "q5_k", "q4_k", "q4_k_m", "nvfp4", "iq4_xs", "iq4_nl", "mxfp4", "q4_0"]


def run(*arguments, text=None):
    done = subprocess.run([str(a) for a in arguments], input=text, text=True, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(a) for a in arguments)}: {done.stderr.strip()}")
    return done.stdout


def log_softmax(logits):
    top = logits.max(axis=1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))


def divergence(base, other):
    """Mean over tokens of KL(base || other), in double precision."""
    base, other = log_softmax(base), log_softmax(other)
    return float((np.exp(base) * (base - other)).sum(axis=1).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hearth", default="build/release/src/cli/hearth")
    parser.add_argument("--ember", default="models/ember", type=pathlib.Path)
    parser.add_argument("--pieces", default=1000, type=int, help="at most so many, two or more")
    parser.add_argument("--types", default=",".join(TYPES))
    options = parser.parse_args()
    types = options.types.split(",")
    stories = (options.ember / "bench" / "stories.txt").read_text()
    n_pieces = min(options.pieces, len(stories) // PIECE_CHARS)
    if n_pieces < 2:
        parser.error(f"intervals need two pieces of {PIECE_CHARS} characters or more, not {n_pieces}")
    own = {t: np.zeros(n_pieces) for t in {*types, "nvfp4"}}
    fast = {t: np.zeros(n_pieces) for t in types}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models = {"bf16": options.ember}
        for t in own:
            if t not in models:
                models[t] = folder / f"{t}.gguf"
                run(options.hearth, "quantize", options.ember, models[t], "--type", t)

        def logits(t, mode):
            out = folder / "logits.npy"
            run(options.hearth, "logits", models[t], "--ids", folder / "ids.json", "--out", out, mode)
            values = np.load(out).astype(np.float64)
            return values.reshape(-1, values.shape[-1])

        for piece in range(n_pieces):
            text = stories[piece * PIECE_CHARS : (piece + 1) * PIECE_CHARS]
            ids = run(options.hearth, "tokenize", options.ember, "--ids", text=text).split()
            (folder / "ids.json").write_text(json.dumps([int(i) for i in ids]))
            base = logits("bf16", "--exact")
            for t in own:
                exact = base if t == "bf16" else logits(t, "--exact")
                own[t][piece] = divergence(base, exact)
                if t in fast:
                    fast[t][piece] = divergence(exact, logits(t, "--fast"))
    nvfp4 = own["nvfp4"]
    print(f"{n_pieces} pieces of {PIECE_CHARS} characters; intervals of 95 %, over the pieces")
    print("| weights | from BF16, exact mode | fast from exact mode | share of NVFP4's | of one piece alone |")
    print("|---|---|---|---|---|")
    for t in types:
        share = fast[t].mean() / nvfp4.mean()
        # Of a ratio of means, by its first-order expansion.
        error = 1.96 * np.std(fast[t] - share * nvfp4, ddof=1) / np.sqrt(n_pieces) / nvfp4.mean()
        alone = fast[t] / nvfp4
        print(f"| {t} | {own[t].mean():.1e} | {fast[t].mean():.1e} | {100 * share:.2f} ± {100 * error:.2f} % "
              f"| {100 * alone.min():.2f} to {100 * alone.max():.2f} % |")


if __name__ == "__main__":
    main()
