#!/usr/bin/env python3
"""Holds `hearth logits` to transformers on random tiny models of each family (tools/fixtures/random_configs.py).

    python3 tools/check_families.py build/release/src/cli/hearth [--count 20] [--seed 1] [--gguf] [--keep FOLDER] [FAMILY ...]

Each is saved as float32, bfloat16 or float16, in one file or several, in transformers 5's spelling of config.json or
that of 4.x, or with its linears quantized in several ways; transformers loads the folder that hearth gets, or what the
quantized weights are. A case fails when hearth refuses it, or when some logit
is off by more than 1e-4 of the largest, in prefill or in decode after prefill, unless transformers' own float32 is about
as far from its float64. Families with multi-token prediction get up to three heads as well. Exit status: the number that
failed.
"""
import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "fixtures"))
warnings.filterwarnings("ignore")

import numpy as np
import torch
import transformers
from draft_heads import QWEN, Drafts
from family_gguf import can_say, write_gguf
from make_family_fixtures import add_tensors, randomize
from quantized_checkpoint import quantize
from random_configs import DRAWS, FULL, SLIDING, WRAPPED
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText

DRAFTING = {"deepseek_v3", "glm4_moe", "glm_moe_dsa", "qwen3_next", "qwen3_5", "qwen3_5_moe", "step3p5"}
ENCODERS = {"bert", "nomic_bert", "modernbert", "embeddinggemma"}
TOLERANCE = 1e-4


def model_class(family: str):
    if DRAWS[family] in WRAPPED:
        return AutoModelForImageTextToText
    return AutoModel if family in ENCODERS else AutoModelForCausalLM


def vendor_spelling(text: dict) -> None:
    """Step 3.5's config as published: other names, lists over all layers and those of multi-token prediction."""
    ropes, kinds, n_more = text.pop("rope_parameters"), text["layer_types"], 2
    for theirs, ours in (("num_attention_groups", "num_key_value_heads"), ("moe_num_experts", "n_routed_experts"),
                         ("moe_top_k", "num_experts_per_tok"), ("share_expert_dims", "share_expert_dim")):
        text[theirs] = text.pop(ours)
    text["attention_other_setting"] = {"attention_type": SLIDING,
                                       "num_attention_heads": text.pop("num_sliding_attention_heads")}
    text["moe_layers_enum"] = ",".join(str(i) for i, kind in enumerate(text.pop("mlp_layer_types")) if kind == "sparse")
    text["rope_theta"] = [ropes[kind]["rope_theta"] for kind in kinds] + [1e4] * n_more
    text["partial_rotary_factors"] = [ropes[kind].get("partial_rotary_factor", 1.0) for kind in kinds] + [1.0] * n_more
    full = {key: value for key, value in ropes.get(FULL, {}).items() if key not in ("rope_theta", "partial_rotary_factor")}
    text["rope_scaling"] = full if full.get("rope_type", "default") != "default" else None
    for key in ("swiglu_limits", "swiglu_limits_shared"):
        text[key] = text[key] + [None] * n_more if text[key] else None
    text["layer_types"] = kinds + [SLIDING] * n_more
    text["num_nextn_predict_layers"] = n_more
    for key in ("per_layer_config", "mtp_layer_types", "mtp_mlp_layer_types", "query_pre_attn_scalar"):
        if key != "query_pre_attn_scalar" or text[key] == text["head_dim"]:
            text.pop(key, None)


def older_spelling(c: dict) -> bool:
    """config.json as transformers 4 wrote it, in place; False where it had no way to say this."""
    if c["model_type"] == "step3p7":
        vendor_spelling(c["text_config"])
        return True
    if "text_config" in c:
        return False
    ropes = c.pop("rope_parameters", None) or {}
    flat = ropes.get(FULL, ropes)
    if c["model_type"] in ("gemma4_text", "step3p7", "ministral3", "modernbert"):
        return False  # not older than the new spelling, or with keys of their own (drawn in configs)
    c["torch_dtype"] = c.pop("dtype", "float32")
    flat = dict(flat)
    if "rope_theta" in flat:
        c["rope_theta"] = flat.pop("rope_theta")
    if "partial_rotary_factor" in flat:
        c["partial_rotary_factor"] = flat.pop("partial_rotary_factor")
    if SLIDING in ropes:
        if ropes[SLIDING]["rope_type"] != "default":
            return False
        c["rope_local_base_freq"] = ropes[SLIDING]["rope_theta"]
    kind = flat.pop("rope_type", "default")
    key = "type" if kind in ("yarn", "linear") and not c["model_type"].startswith("gemma") else "rope_type"
    c["rope_scaling"] = None if kind == "default" else flat | {key: kind}
    if "num_local_experts" in c and c["model_type"] == "qwen3_moe":
        c["num_experts"] = c.pop("num_local_experts")
    return True


def save(r: random.Random, model, folder: Path, plain: Path) -> str:
    """One way of storing it; says which. `plain` gets the same numbers for transformers to load."""
    dtype = r.choice([torch.float32, torch.bfloat16, torch.float16])
    quantized = r.random() < 0.3
    split = not quantized and r.random() < 0.3
    model.to(dtype).save_pretrained(folder, max_shard_size="20KB" if split else "5GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    shutil.copytree(folder, plain)
    if quantized:
        numbers = load_file(plain / "model.safetensors") | quantize(r, folder)
        save_file({name: t.float().contiguous() for name, t in numbers.items()}, plain / "model.safetensors",
                  metadata={"format": "pt"})
        return "quantized"
    how = str(dtype).removeprefix("torch.") + (" split" if split else "")
    path = folder / "config.json"
    c = json.loads(path.read_text())
    if r.random() < 0.5 and older_spelling(c):
        path.write_text(json.dumps(c))
        (plain / "config.json").write_text(json.dumps(c))
        how += " older"
    return how


def check_gguf(binary: str, model, config, seed: str, folder: Path) -> bool:
    """The same weights, rounded to BF16, in a GGUF file; False where the container cannot say the configuration."""
    if not can_say(config.get_text_config()):
        return False
    r = random.Random("gguf " + seed)
    model.to(torch.bfloat16).save_pretrained(folder / "plain")
    write_gguf(folder / "model.gguf", folder / "plain", config.get_text_config())
    family = seed.partition("-")[0]
    ids = torch.randint(0, config.get_text_config().vocab_size, (1, r.choice([1, 40, 90, 150])))
    (folder / "ids.json").write_text(json.dumps(ids[0].tolist()))
    want = logits_of(family, folder / "plain", ids, torch.float32)
    for name, flags in [("prefill", []), ("decode", ["--prefill", str(r.randrange(ids.shape[1]) + 1)])]:
        error = distance(hearth_logits(binary, folder, *flags, file="model.gguf"), want)
        own = distance(want, logits_of(family, folder / "plain", ids, torch.float64))
        if not error < max(TOLERANCE, 3 * own):
            raise RuntimeError(f"{name} (GGUF): off by {error:.2e} of the largest")
    return True


def hearth_logits(binary: str, folder: Path, *flags: str, file: str = "") -> np.ndarray:
    out = folder / "out.npy"
    done = subprocess.run([binary, "logits", str(folder / file), "--ids", str(folder / "ids.json"), "--out", str(out), "--kv",
                           "f32", *flags], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return np.load(out)


@torch.no_grad()
def logits_of(family: str, folder: Path, ids: torch.Tensor, dtype: torch.dtype) -> np.ndarray:
    model = model_class(family).from_pretrained(folder, dtype=dtype, attn_implementation="eager",
                                                experts_implementation="eager").eval()
    out = model(input_ids=ids)
    return (out.last_hidden_state if family in ENCODERS else out.logits)[0].numpy()


def check_drafts(binary: str, family: str, seed: str, folder: Path, plain: Path, ids: torch.Tensor) -> None:
    """Multi-token-prediction heads beside a model in one plain file: what each drafts."""
    r = random.Random("drafts " + seed)
    model = model_class(family).from_pretrained(plain, dtype=torch.float32, attn_implementation="eager",
                                                experts_implementation="eager").eval()
    text = model.config.get_text_config()
    if family == "step3p5" and SLIDING not in text.rope_parameters:  # its heads have windows
        return
    drafts = Drafts(model, 1 if text.model_type in QWEN else r.randrange(1, 4)).eval()
    randomize(drafts)
    add_tensors(folder / "model.safetensors", drafts.tensors())
    flags = ["--prefill", str(r.randrange(ids.shape[1]) + 1), "--chunk", str(r.choice([1, 16, 64]))]
    for k, want in enumerate(drafts.logits(model, ids)):
        error = distance(hearth_logits(binary, folder, "--mtp", str(k + 1), *flags), want)
        if not error < TOLERANCE:
            raise RuntimeError(f"head {k + 1} of {len(drafts.heads)}: off by {error:.2e} of the largest")


def distance(got: np.ndarray, want: np.ndarray) -> float:
    return np.abs(got - want).max() / np.abs(want).max()


def check(binary: str, family: str, seed: str, folder: Path, as_gguf: bool) -> bool:
    """False where there was nothing to hold: a GGUF file was wanted, and none can say it."""
    plain = folder / "plain"
    r = random.Random(seed)
    torch.manual_seed(r.getrandbits(32))
    config = DRAWS[family](r)
    config._attn_implementation = "eager"
    model = model_class(family).from_config(config).float().eval()
    randomize(model)
    if as_gguf:
        return check_gguf(binary, model, config, seed, folder)
    how = save(r, model, folder, plain)
    ids = torch.randint(0, config.get_text_config().vocab_size, (1, r.choice([1, 40, 90, 150])))
    want = logits_of(family, plain, ids, torch.float32)
    (folder / "ids.json").write_text(json.dumps(ids[0].tolist()))
    runs = [("prefill", [])]
    if family not in ENCODERS:
        runs.append(("decode", ["--prefill", str(r.randrange(ids.shape[1]) + 1), "--chunk", str(r.choice([1, 16, 64]))]))
    for name, flags in runs:
        error = distance(hearth_logits(binary, folder, *flags), want)
        if not error < TOLERANCE:
            own = distance(want, logits_of(family, plain, ids, torch.float64))
            if own < TOLERANCE / 3:
                raise RuntimeError(f"{name} ({how}): off by {error:.2e} of the largest")
            print(f"  {seed}: {name} ({how}) off by {error:.2e}, and transformers' float32 itself by {own:.2e}: not counted")
    if family in DRAFTING and ids.shape[1] > 4 and "quantized" not in how and "split" not in how:
        check_drafts(binary, family, seed, folder, plain, ids)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hearth")
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gguf", action="store_true", help="as GGUF files, where those can say what was drawn")
    parser.add_argument("--keep", type=Path, help="where the folders of those that failed go")
    args = parser.parse_intermixed_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    n_failed = 0
    for family in args.families or DRAWS:
        failed = checked = 0
        for i in range(args.count):
            seed = f"{family}-{args.seed}-{i}"
            folder = Path(tempfile.mkdtemp(prefix=seed))
            try:
                checked += check(args.hearth, family, seed, folder, args.gguf)
            except Exception as error:  # also what transformers refuses: the draws should not ask for it
                failed += 1
                checked += 1
                print(f"  {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
                if args.keep:
                    shutil.copytree(folder, args.keep / seed, dirs_exist_ok=True)
            shutil.rmtree(folder)
        print(f"{family}: {checked - failed} of {checked} agree", flush=True)
        n_failed += failed
    sys.exit(min(n_failed, 100))


if __name__ == "__main__":
    main()
