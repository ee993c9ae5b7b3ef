#!/usr/bin/env python3
"""Holds what `hearth quantize` wrote to outside packages: compressed-tensors, gguf and torch read it and agree.

    python3 tools/check_quantized.py SOURCE --hf FOLDER [--gguf FILE]... [--record FILE.json]

For the folder: compressed-tensors' own ModelOpt converter and decompressor, tensor for tensor, against the codes
decoded by hand with torch; every code must be the nearest to the source's weight; fused groups share one scale. For
GGUF files: the keys that loaders need, the vocabulary against tokenizers, and the values that gguf.dequantize gives, times `.scale`, against the folder's
(NVFP4: equal; others: within half a step of the source).
"""
import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
import gguf
import numpy as np
import torch
from compressed_tensors.compressors.nvfp4.base import NVFP4PackedCompressor
from compressed_tensors.entrypoints.convert.converters.modelopt_nvfp4 import ModelOptNvfp4Converter
from compressed_tensors.quantization.quant_scheme import preset_name_to_scheme
from safetensors.torch import load_file
from tokenizers import Tokenizer

LUT = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
FUSED = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
# A quarter above the relative error that each type has on normally distributed weights.
LIMITS = {"Q8_0": 0.01, "Q4_0": 0.13, "NVFP4": 0.13, "MXFP4": 0.14, "Q4_K": 0.09, "Q5_K": 0.045, "Q6_K": 0.022,
          "IQ4_NL": 0.092, "IQ4_XS": 0.093}
problems = []


def expect(condition, message):
    if not condition:
        problems.append(message)


def load_folder(folder):
    tensors = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        tensors.update(load_file(file))
    return tensors


def decoded(weight, scale, scale_2):
    """By hand, in torch: low nibble first, E4M3 scale of 16, one float."""
    codes = torch.stack([weight & 15, weight >> 4], dim=-1).reshape(weight.shape[0], -1)
    factors = (scale.float() * scale_2).repeat_interleave(16, dim=1)
    return LUT[codes.long()] * factors, codes, factors


def check_folder(folder, source):
    tensors = load_folder(folder)
    config = json.loads((Path(folder) / "config.json").read_text())["quantization_config"]
    hf_quant = json.loads((Path(folder) / "hf_quant_config.json").read_text())["quantization"]
    expect(config["quant_method"] == "modelopt" and config["quant_algo"] == hf_quant["quant_algo"], "configs disagree")
    modules = sorted(name[: -len(".weight_scale_2")] for name in tensors if name.endswith(".weight_scale_2"))
    expect(modules, "no NVFP4 linears")
    converter = ModelOptNvfp4Converter(targets=[f"re:.*{m.split('.')[-1]}$" for m in modules], ignore=["lm_head"])
    converted = converter.process({k: v.clone() for k, v in tensors.items()})
    scheme = preset_name_to_scheme("NVFP4A16", ["Linear"])
    values, errors, sums = {}, 0.0, 0.0
    for module in modules:
        weight, scale = tensors[f"{module}.weight"], tensors[f"{module}.weight_scale"]
        scale_2 = tensors[f"{module}.weight_scale_2"]
        original = source[f"{module}.weight"].float()
        value, codes, factors = decoded(weight, scale, scale_2)
        values[module] = value
        expect(value.shape == original.shape, f"{module}: shape {tuple(value.shape)}")
        expect(bool((scale.float() > 0).all()), f"{module}: a scale is not positive")
        # Each code is the nearest one: no other of the sixteen lies closer (ties aside).
        distance = (original - value).abs()
        for code in range(8):
            other = (original.abs() - LUT[code] * factors).abs()
            expect(bool((distance <= other * (1 + 1e-6) + 1e-12).all()), f"{module}: code {code} would be nearer")
        parts = {k[len(module) + 1 :]: v for k, v in converted.items() if k.startswith(module + ".")}
        expect(torch.equal(parts["weight_packed"], weight), f"{module}: the converter changed codes")
        theirs = NVFP4PackedCompressor.decompress(parts, scheme)["weight"].float()
        # They decompress into bfloat16: one rounding of our exact value.
        expect(torch.allclose(theirs, value, rtol=2**-7, atol=0), f"{module}: compressed-tensors reads other values")
        errors += float((distance.double() ** 2).sum())
        sums += float((original.double() ** 2).sum())
    for module in modules:
        prefix, _, leaf = module.rpartition(".")
        for group in FUSED:
            for other in group if leaf in group else ():
                same = tensors.get(f"{prefix}.{other}.weight_scale_2")
                expect(same is None or torch.equal(same, tensors[f"{module}.weight_scale_2"]), f"{module}: {other}'s scale")
    for name, tensor in source.items():
        if name.removesuffix(".weight") not in values:
            expect(torch.equal(tensors[name], tensor), f"{name}: kept, but changed")
    return values, (errors / sums) ** 0.5


def check_vocabulary(path, fields, folder):
    """Every token, its type and the merges against what the tokenizers package reads from tokenizer.json."""
    theirs = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    for text, token in theirs.get_vocab(with_added_tokens=True).items():
        expect(tokens[token] == text, f"{path}: token {token} is {tokens[token]!r}, not {text!r}")
    added = theirs.get_added_tokens_decoder()
    for token, kind in enumerate(types):
        unused = theirs.id_to_token(token) is None
        want = (3 if added[token].special else 4) if token in added else 5 if unused else 1
        expect(kind == want, f"{path}: token {token} has type {kind}, not {want}")
    merges = json.loads((Path(folder) / "tokenizer.json").read_text())["model"]["merges"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in merges]
    expect(fields["tokenizer.ggml.merges"] == merges, f"{path}: other merges")
    template = Path(folder) / "chat_template.jinja"
    if template.exists():
        expect(fields.get("tokenizer.chat_template") == template.read_text(), f"{path}: another chat template")


def check_gguf(path, source, values, folder):
    reader = gguf.GGUFReader(path)
    fields = {key: field.contents() for key, field in reader.fields.items()}
    arch = fields["general.architecture"]
    for key in (f"{arch}.block_count", f"{arch}.attention.head_count", "tokenizer.ggml.tokens", "tokenizer.ggml.merges",
                "tokenizer.ggml.token_type", "tokenizer.ggml.pre", "general.file_type"):
        expect(key in fields, f"{path}: no key {key}")
    check_vocabulary(path, fields, folder)
    tensors = {t.name: t for t in reader.tensors}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], fields[f"{arch}.block_count"])
    heads = {"q_proj": fields[f"{arch}.attention.head_count"], "k_proj": fields[f"{arch}.attention.head_count_kv"]}
    worst, errors = 0.0, {}
    for name, original in source.items():
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        tensor = tensors.get(gguf_name)
        if tensor is None:
            problems.append(f"{path}: no tensor {gguf_name}")
            continue
        value = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        value = value.reshape(original.shape)
        scale = tensors.get(gguf_name.removesuffix("weight") + "scale")
        if scale is not None:
            value = value * float(scale.data[0])
        module, _, leaf = name.removesuffix(".weight").removesuffix(".bias").rpartition(".")
        if arch == "llama" and leaf in heads:  # undo the converter's permutation
            n = heads[leaf]
            value = value.reshape(n, -1, 2, *value.shape[1:]).swapaxes(1, 2).reshape(original.shape)
        exact = values.get(name.removesuffix(".weight")) if tensor.tensor_type == 40 else None
        if exact is not None:
            expect(torch.allclose(value, exact, rtol=2e-7, atol=0), f"{path}: {gguf_name}: other values than the folder")
        if tensor.tensor_type in (0, 1, 30):
            expect(torch.equal(value, original.float()), f"{path}: {gguf_name}: kept, but changed")
        else:
            error = float((value.double() - original.double()).norm() / original.double().norm())
            worst, errors[gguf_name] = max(worst, error), error
            limit = LIMITS[tensor.tensor_type.name]
            expect(error < limit, f"{path}: {gguf_name}: relative error {error:.3f}")
    return {"architecture": arch, "tensors": len(tensors), "worst_relative_error": worst,
            "file_type": int(fields["general.file_type"]), "errors": errors}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--hf")
    parser.add_argument("--gguf", action="append", default=[])
    parser.add_argument("--record")
    arguments = parser.parse_args()
    source = load_folder(arguments.source)
    packages = ("compressed-tensors", "gguf", "torch", "safetensors", "numpy")
    record = {"made_by": ["tools/check_quantized.py"] + [f"{p} {version(p)}" for p in packages]}
    values = {}
    if arguments.hf:
        values, record["hf_relative_error"] = check_folder(arguments.hf, source)
        # What tests hold Hearth's own decoder to, with no Python at hand.
        originals = {module: source[f"{module}.weight"].double() for module in values}
        record["hf_norms"] = {module: float(value.double().norm()) for module, value in values.items()}
        record["hf_errors"] = {m: float((v.double() - originals[m]).norm() / originals[m].norm()) for m, v in values.items()}
    for path in arguments.gguf:
        record[Path(path).name] = check_gguf(path, source, values, arguments.source)
    record["problems"] = problems
    print(json.dumps({k: v for k, v in record.items() if k not in ("hf_norms", "hf_errors")}, indent=1))
    if arguments.record:
        Path(arguments.record).write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
