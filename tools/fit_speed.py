#!/usr/bin/env python3
"""Fits the speed predictor to measured points: writes src/plan/tables/speed_coefficients.inc.

    python3 tools/fit_speed.py ../shared/notes/measured_points.csv

The model is that of src/plan/speed.cpp, coefficient for coefficient; docs/plan.md explains it. Every coefficient has a
prior, so that a kind of device that was never measured gets the general one. Devices are dealt into folds; each fold's
coefficients are fitted without its devices, and the test of the score predicts a point with those.
"""
import collections
import csv
import math
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

ROOT = Path(__file__).resolve().parents[1]
N_FOLDS = 7
# Prior mean and width. "e_": log efficiency of reading, "t_": log time a layer, by maker and memory.
DECODE = {
    "eta": (math.log(0.82), 0.1), "tau": (math.log(85e-6), 0.4), "tau_moe": (math.log(1.3), 0.3),
    "tau_hybrid": (math.log(1.3), 0.3), "tau_unusual": (math.log(3.0), 0.3), "tau_vllm": (0, 0.3),
    "eta_k": (0, 0.15), "eta_half": (0, 0.1), "eta_2024": (0, 0.2), "eta_ollama": (0, 0.1),
    "eta_k_lpddr": (0, 0.2), "eta_k_cpu": (0, 0.2), "eta_kv": (math.log(0.8), 0.3), "expert_power": (0.65, 0.1),
    "tau_sequence": (math.log(1e-5), 0.7), "tau_reduce": (math.log(25e-6), 0.5), "eta_tensor": (0, 0.15),
    "unpack": (math.log(4.0), 0.7),
}
KINDS = ("nvidia", "amd", "apple", "intel", "cpu", "hbm", "lpddr", "recent")
for kind in KINDS:
    DECODE["e_" + kind] = (math.log(0.75) if kind == "cpu" else 0, 0.09)
    DECODE["t_" + kind] = (0, 0.3)
# "saturation": operations a second at which a device reaches half of its datasheet's, as prompts of 512 tokens fill it;
# "rows": tokens an expert must get to reach half of its products' speed.
PREFILL = {"mfu": (math.log(0.9), 0.3), "saturation": (math.log(200e12), 0.5), "mfu_moe": (math.log(0.55), 0.3),
           "rows": (math.log(12), 0.4), "mfu_attention": (math.log(0.4), 0.5), "attention_2024": (math.log(0.4), 0.5),
           "mfu_2024": (0, 0.2), "mfu_unusual": (math.log(0.3), 0.5), "mfu_k": (math.log(0.85), 0.15),
           "mfu_half": (0, 0.15), "mfu_half_moe_amd": (0, 0.3), "mfu_tensor": (math.log(0.4), 0.3),
           "mfu_ik": (math.log(2), 0.3)}
MAKER_USE = {"cpu": 0.2, "amd": 0.45, "apple": 1.1, "intel": 0.45, "lpddr": 0.6}
for kind in KINDS:
    PREFILL["m_" + kind] = (math.log(MAKER_USE.get(kind, 1)), 0.3)
HYBRID = r"Qwen3\.[56]|Qwen3-Next|Nemotron-3|Kimi-Linear"
N_EXPERTS = {"gpt-oss-20b": (32, 4), "gpt-oss-120b": (128, 4), "Qwen3-30B-A3B": (128, 8), "Qwen3.6-35B-A3B": (256, 8),
             "Qwen3-235B-A22B": (128, 8)}
BITS = (("UD-Q8_K_XL", 9.5), ("Q8_K_XL", 9.5), ("UD-Q5_K_XL", 5.6), ("UD-Q4_K_XL", 4.9), ("UD-Q3_K_XL", 3.6),
        ("UD-Q3_K_S", 3.5), ("UD-IQ4_NL", 4.5), ("Q4_K_XL", 4.9), ("Q4_K_M", 4.83), ("Q4_K_S", 4.58), ("IQ4_XS", 4.3),
        ("MXFP4", 4.25), ("NVFP4", 4.5), ("Q4_0", 4.5), ("Q8_0", 8.5), ("BF16", 16.0), ("F16", 16.0), ("Q4", 4.8),
        ("4bit", 4.8), ("8bit", 8.25), ("FP8", 8.25), ("q2", 2.3))


def number(row, key):
    return float(row[key]) if row[key] else None


def quant_kind(quant):
    if re.search(r"Q[2345]_K|Q4\(|IQ|q2", quant):
        return "k"
    if re.search(r"NVFP4|GPTQ|AWQ|Q4_0|MXFP4", quant):
        return "4"
    return "half" if "16" in quant else "8"


def bits(quant):
    return next((b for name, b in BITS if name in quant), 5.0)


def kinds_of(device, placement):
    maker, memory, kind, arch = device["vendor"], device["mem_type"], device["class"], device["arch"]
    if placement == "cpu" or kind in ("cpu", "sbc"):
        return {"cpu"}
    out = {{"Apple": "apple", "AMD": "amd", "Intel": "intel"}.get(maker, "nvidia")}
    if "HBM" in memory:
        out.add("hbm")
    if "LPDDR" in memory:
        out.add("lpddr")
    if maker == "NVIDIA" and re.search(r"GB20|AD10|Blackwell", arch):
        out.add("recent")
    return out


class Points:
    def __init__(self, rows, devices):
        self.rows = rows
        self.device = np.array([r["device"] for r in rows])
        cols = collections.defaultdict(list)
        for r in rows:
            device = devices.get(r["device"], collections.defaultdict(str))
            kinds = kinds_of(device, r["placement"])
            quant, engine, model = quant_kind(r["quant"]), r["backend"].lower(), r["model"]
            params, active = number(r, "params_b") * 1e9, number(r, "active_b") * 1e9
            file_bits = number(r, "file_gib") * 2**30 * 8 / params if r["file_gib"] else bits(r["quant"])
            read = number(r, "read_gb_per_tok")
            depth = number(r, "ctx_depth") or 0
            kv = number(r, "kv_b_per_tok_fp16") or 0
            moe = r["arch"] == "moe"
            tensor = "TP" in r["note"] or "TP" in r["backend"]
            bw = number(r, "bw_gbs") * 1e9
            if "cpu" in kinds and " x2 " in r["device"]:
                bw /= 2  # a socket reads the other's memory slowly
            flops = float(device["fp16_tflops_fp32acc"]) * 1e12 if device["fp16_tflops_fp32acc"] else 100 * bw
            used = N_EXPERTS.get(model)
            fraction = used[1] / used[0] if used else 0.65 * active / max(params - 0.35 * active, active)
            sliding = "gpt-oss" in model  # half of the layers see 128 positions
            prompt = number(r, "pp_n") or 512
            chunk = re.search(r"ub(\d+)", engine)
            values = dict(
                bytes=read * 1e9 if read else active * file_bits / 8, bw=bw, layers=number(r, "n_layers"),
                batch=number(r, "batch") or 1, n=number(r, "n_dev") if tensor else 1, moe=moe,
                hybrid=bool(re.search(HYBRID, model)),
                unusual="DeepSeek-V4" in model, kv=kv * (depth + min(depth, 128)) / 2 if sliding else kv * depth,
                y2024="2024" in engine, ollama="ollama" in engine, vllm="vllm" in engine, k=quant == "k",
                half=quant == "half", packed=quant != "half", active=active, flops=flops,
                mix=4.0 if "incl. prefill" in r["note"] else 0.0, fraction=fraction if moe else 1.0,
                depth=max(depth, prompt / 2), whole=params * file_bits / 8, ik="ik_" in engine,
                chunk=min(prompt, float(chunk[1]) if chunk else 2048), host=r["placement"] == "gpu+cpu-experts",
                seen=0.5 if sliding else 0.25 if re.search(HYBRID, model) else 1.0)
            for key, value in values.items():
                cols[key].append(float(value))
            for kind in KINDS:
                cols[kind].append(float(kind in kinds))
        self.v = {key: np.array(value) for key, value in cols.items()}


def decode(p, v):
    eta = p["eta"] + p["eta_k"] * v["k"] + p["eta_half"] * v["half"] + p["eta_2024"] * v["y2024"]
    eta = eta + p["eta_ollama"] * v["ollama"] + p["eta_k_lpddr"] * v["k"] * v["lpddr"] * (1 - v["apple"])
    eta = eta + p["eta_k_cpu"] * v["k"] * v["cpu"]
    tau = p["tau"] + p["tau_moe"] * v["moe"] + p["tau_hybrid"] * v["hybrid"] + p["tau_unusual"] * v["unusual"]
    tau = tau + p["tau_vllm"] * v["vllm"]
    for kind in KINDS:
        eta = eta + p["e_" + kind] * v[kind]
        tau = tau + p["t_" + kind] * v[kind]
    eta, tau = np.exp(eta), np.exp(tau)
    shared = np.where(v["moe"] > 0, 0.35, 1.0)
    experts = (1 - (1 - v["fraction"]) ** (v["batch"] ** p["expert_power"])) / v["fraction"]
    many = np.where(v["n"] > 1, math.exp(p["eta_tensor"]), 1.0)
    s = v["bytes"] * (shared + (1 - shared) * experts) / (eta * v["bw"] * v["n"] * many)
    s = s + v["batch"] * v["kv"] / (eta * math.exp(p["eta_kv"]) * v["bw"] * v["n"]) + v["layers"] * tau
    s = s + np.where(v["batch"] > 1, v["batch"] * v["layers"] * math.exp(p["tau_sequence"]), 0)
    s = s + v["apple"] * v["packed"] * v["active"] * math.exp(p["unpack"]) / v["flops"]
    s = s + np.where(v["n"] > 1, 2 * v["layers"] * math.exp(p["tau_reduce"]), 0)
    s = s + v["batch"] * v["mix"] * 2 * v["active"] / (0.1 * v["flops"] * v["n"])
    return v["batch"] / s


def prefill(p, v):
    mfu = p["mfu"] + p["mfu_2024"] * v["y2024"] + p["mfu_unusual"] * v["unusual"] + p["mfu_k"] * v["k"]
    mfu = mfu + p["mfu_half"] * v["half"] + p["mfu_half_moe_amd"] * v["half"] * v["amd"] * v["moe"]
    mfu = mfu + p["mfu_ik"] * v["ik"] + p["mfu_tensor"] * (v["n"] > 1)
    for kind in KINDS:
        mfu = mfu + p["m_" + kind] * v[kind]
    rate = np.exp(mfu) * v["flops"] / (1 + v["flops"] / math.exp(p["saturation"])) * v["n"]
    rows = v["chunk"] * v["fraction"]
    experts = np.where(v["moe"] > 0, math.exp(p["mfu_moe"]) * rows / (rows + math.exp(p["rows"])), 1)
    s = 2 * v["active"] / (rate * experts)
    # All weights are read for each chunk; experts outside the device are multiplied by its host (docs/plan.md).
    touched = np.where(v["moe"] > 0, 1 - (1 - v["fraction"]) ** v["chunk"], 1)
    s = s + v["whole"] * touched / (v["chunk"] * 0.8 * v["bw"] * v["n"])
    s = s + v["host"] * 2 * 0.65 * v["active"] / (15 * 460.8e9)
    width = np.sqrt(v["active"] / (12 * v["layers"]))
    attention = np.exp(p["mfu_attention"] + p["attention_2024"] * v["y2024"])
    s = s + 4 * v["layers"] * v["seen"] * width * v["depth"] / (rate * attention)
    return 1 / s


def fit(model, priors, points, measured, mask):
    names = list(priors)
    mean, width = np.array([priors[n][0] for n in names]), np.array([priors[n][1] for n in names])
    v = {key: value[mask] for key, value in points.v.items()}
    y = np.log(measured[mask])
    counts = collections.Counter(points.device[mask])
    weight = np.array([counts[d] ** -0.5 for d in points.device[mask]])

    def loss(theta):
        residual = np.log(model(dict(zip(names, theta)), v)) - y
        return np.sum(weight * np.sqrt(residual**2 + 0.05**2)) / 0.12 + 0.5 * np.sum(((theta - mean) / width) ** 2)

    theta = minimize(loss, mean, method="L-BFGS-B", options={"maxiter": 300, "maxfun": 40000}).x
    return dict(zip(names, theta))


def score(error):
    error = np.abs(error)
    return f"{len(error)} points, median {np.median(error):.1%}, 90th percentile {np.quantile(error, 0.9):.1%}"


def main():
    text = (ROOT / "src/plan/tables/devices.inc").read_text()
    table = text[text.index('R"csv(') + 6 : text.index(')csv"')].strip().splitlines()
    devices = {d["device"]: d for d in csv.DictReader(table)}
    rows = list(csv.DictReader(open(sys.argv[1])))
    sections = []
    folds = {}
    for name, model, priors, key in (("decode", decode, DECODE, "tg_tps"), ("prefill", prefill, PREFILL, "pp_tps")):
        used = [r for r in rows if r[key] and (key == "pp_tps" or r["placement"] != "gpu+cpu-experts")
                and not (key == "pp_tps" and "OUTLIER" in r["note"])]
        points = Points(used, devices)
        measured = np.array([number(r, key) for r in used])
        known = sorted(set(points.device))
        if not folds:
            folds = {device: i % N_FOLDS for i, device in enumerate(known)}
        fold = np.array([folds[d] for d in points.device])
        everything = fit(model, priors, points, measured, np.ones(len(used), bool))
        print(f"{name}, fitted on all: {score(model(everything, points.v) / measured - 1)}")
        by_fold, error = [], np.zeros(len(used))
        for i in range(N_FOLDS):
            p = fit(model, priors, points, measured, fold != i)
            by_fold.append(p)
            error[fold == i] = (model(p, points.v) / measured - 1)[fold == i]
        print(f"{name}, devices held out: {score(error)}; batch 1: {score(error[points.v['batch'] == 1])}")
        for n in priors:
            values = ", ".join(f"{p[n]:.4f}" for p in [everything, *by_fold])
            sections.append(f'    {{"{name}.{n}", {{{values}}}}},')
    made_by = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy"))
    lines = [f"// Made by tools/fit_speed.py ({made_by}). Columns: fitted on every device; then without the devices",
             "// of each fold. Logarithms but for expert_power.", "struct CoefficientRow {", "    std::string_view name;",
             f"    double values[{N_FOLDS + 1}];", "};", "constexpr CoefficientRow kCoefficients[] = {", *sections, "};",
             "struct FoldRow {", "    std::string_view device;", "    int fold;", "};", "constexpr FoldRow kFolds[] = {",
             *[f'    {{"{device}", {fold}}},' for device, fold in folds.items()], "};", ""]
    (ROOT / "src/plan/tables/speed_coefficients.inc").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
