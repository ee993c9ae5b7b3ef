#!/usr/bin/env python3
"""Holds what `hearth synth` wrote to outside packages: gguf reads it, and llama.cpp (xllamacpp) loads it.

    python3 tools/check_synthetic.py FILE.gguf...
"""
import subprocess
import sys

import gguf

LOAD = """
import os, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.warmup = sys.argv[1], 256, False
xllamacpp.Server(params)  # raises when the loader refuses the file
os._exit(0)
"""


def main():
    for path in sys.argv[1:]:
        reader = gguf.GGUFReader(path)
        for tensor in reader.tensors:
            if tensor.tensor_type.name != "F32":
                weights = gguf.dequantize(tensor.data[:64], tensor.tensor_type)
                assert weights.std() > 0, tensor.name
        # A process of its own: one server a process is what the package takes.
        subprocess.run([sys.executable, "-c", LOAD, path], check=True, stderr=subprocess.DEVNULL, timeout=120)
        print(f"{path}: {len(reader.tensors)} tensors, read by gguf, loaded by llama.cpp", flush=True)


if __name__ == "__main__":
    main()
