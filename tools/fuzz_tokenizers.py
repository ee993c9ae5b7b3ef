#!/usr/bin/env python3
"""Tokenizers with random parts, trained on random text: the ids of `tokenizers` against those of hearth.

Usage: fuzz_tokenizers.py HEARTH [TOKENIZERS [SEED]]. Each is tried on 12 texts, all in one process of hearth a text. What
hearth refuses to load is counted by its message; exit status 1 when ids differ.
"""
import collections
import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

sys.path.insert(0, str(Path(__file__).resolve().parent / "fixtures"))
from random_text import random_text  # noqa: E402

BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
PATTERNS = [Regex(r"\p{N}{1,3}"), Regex(r"\s+"), Regex(r"[A-Za-z]+|\d"), " ", Regex(r"(?i:'s|'t)|\p{L}+|\s+(?!\S)|\s+|."), "a", Regex(r"[^\s]+"),
            Regex(r"\p{Han}|\p{P}"), Regex(r"[\r\n]"), "..", Regex(r"(?<=a)b|\w+"), Regex(r"[\p{Han}\u3001]+|\p{Hiragana}"),
            Regex(r"\p{^Han}+|\P{Greek}"), Regex(r"[^\p{Latin}\s]+|\p{^Cyrillic}")]
ADDED = ["<s>", "</s>", "<|x|>", "the", " lead", "tab\t", "<b>", "\u00e9", "Hearth", "  ", "<|im_start|>", "\n\n", "x y", "123"]


def words(rng: random.Random, n: int) -> list[str]:
    return [random_text(rng.randrange(200_000)) + rng.choice(["", " the cat", " Hearth 123", " na\u00efve caf\u00e9", "\n\n x y"]) for _ in range(n)]


def a_normalizer(rng: random.Random):
    return rng.choice([
        lambda: normalizers.NFC(), lambda: normalizers.NFD(), lambda: normalizers.NFKC(), lambda: normalizers.NFKD(), lambda: normalizers.Lowercase(),
        lambda: normalizers.StripAccents(), lambda: normalizers.Strip(rng.random() < 0.5, rng.random() < 0.5), lambda: normalizers.Nmt(),
        lambda: normalizers.Replace(rng.choice([" ", "a", "..", "  ", "\u00e9"]), rng.choice(["\u2581", "", "b", "xy"])),
        lambda: normalizers.Replace(Regex(rng.choice([r" {2,}", r"\s", r"[0-9]", r"(a)|b"])), rng.choice([" ", "", "_"])),
        lambda: normalizers.Prepend(rng.choice(["\u2581", " ", "x"])),
        lambda: normalizers.BertNormalizer(clean_text=rng.random() < 0.5, handle_chinese_chars=rng.random() < 0.5, strip_accents=rng.choice([None, True, False]), lowercase=rng.random() < 0.5)])()


def a_pre_tokenizer(rng: random.Random):
    return rng.choice([
        lambda: pre_tokenizers.Split(rng.choice(PATTERNS), rng.choice(BEHAVIORS), invert=rng.random() < 0.3),
        lambda: pre_tokenizers.Digits(individual_digits=rng.random() < 0.5), lambda: pre_tokenizers.Punctuation(rng.choice(BEHAVIORS)),
        lambda: pre_tokenizers.Metaspace(prepend_scheme=rng.choice(["always", "never", "first"]), split=rng.random() < 0.5),
        lambda: pre_tokenizers.Whitespace(), lambda: pre_tokenizers.WhitespaceSplit(), lambda: pre_tokenizers.BertPreTokenizer(), lambda: pre_tokenizers.UnicodeScripts(),
        lambda: pre_tokenizers.CharDelimiterSplit(rng.choice(" a.")), lambda: pre_tokenizers.FixedLength(rng.randrange(1, 6))])()


def build(rng: random.Random) -> Tokenizer:
    kind = rng.choice(["bpe", "bpe", "bpe", "byte", "byte", "unigram", "wordpiece", "wordlevel"])
    corpus, vocab_size = words(rng, 300), rng.choice([300, 500, 900])
    unk = rng.choice([None, "<unk>"]) if kind in ("bpe", "byte") else "<unk>"
    special = [t for t in ("<unk>",) if t == unk]
    if kind in ("bpe", "byte"):
        affixes = {} if rng.random() < 0.7 else rng.choice([{"continuing_subword_prefix": "##"}, {"end_of_word_suffix": "</w>"}])
        fallback = kind == "bpe" and rng.random() < 0.3
        model = models.BPE(unk_token=unk, fuse_unk=rng.random() < 0.5, byte_fallback=fallback, ignore_merges=rng.random() < 0.3, **affixes)
        extra = [f"<0x{i:02X}>" for i in range(256)] if fallback else []
        trainer = trainers.BpeTrainer(vocab_size=vocab_size + len(extra), special_tokens=special + extra, show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if kind == "byte" else [], **affixes)
    elif kind == "unigram":
        model = models.Unigram()
        corpus = ["".join(c for c in text if c < "\u0180") for text in corpus]  # few characters, so that all fit
        trainer = trainers.UnigramTrainer(vocab_size=vocab_size, special_tokens=special, unk_token=unk, show_progress=False)
    elif kind == "wordpiece":
        model = models.WordPiece(unk_token=unk, max_input_chars_per_word=rng.choice([100, 8]))
        trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    else:
        model = models.WordLevel(unk_token=unk)
        trainer = trainers.WordLevelTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    made = Tokenizer(model)
    steps = [a_normalizer(rng) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if steps:
        made.normalizer = steps[0] if len(steps) == 1 and rng.random() < 0.7 else normalizers.Sequence(steps)
    steps = [a_pre_tokenizer(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 3]))]
    if kind == "byte":
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < 0.3, use_regex=rng.random() < 0.5))
    if steps:
        made.pre_tokenizer = steps[0] if len(steps) == 1 and rng.random() < 0.7 else pre_tokenizers.Sequence(steps)
    made.train_from_iterator(corpus, trainer)
    if rng.random() < 0.7:
        added = [AddedToken(content, single_word=rng.random() < 0.2, lstrip=rng.random() < 0.25, rstrip=rng.random() < 0.25, normalized=rng.random() < 0.4)
                 for content in rng.sample(ADDED, rng.randrange(1, 8))]
        cut = rng.randrange(len(added) + 1)
        made.add_special_tokens(added[:cut])
        made.add_tokens(added[cut:])
    if rng.random() < 0.5:
        made.add_special_tokens(["<s>", "</s>"])
        pairs = [("<s>", made.token_to_id("<s>")), ("</s>", made.token_to_id("</s>"))]
        made.post_processor = rng.choice([
            lambda: processors.TemplateProcessing(single=rng.choice(["<s> $A </s>", "$A </s>", "<s> $A"]), special_tokens=pairs),
            lambda: processors.BertProcessing(pairs[1], pairs[0]), lambda: processors.RobertaProcessing(pairs[1], pairs[0], trim_offsets=rng.random() < 0.5),
            lambda: processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="<s> $A", special_tokens=pairs)])])()
    if kind == "byte":
        made.decoder = decoders.ByteLevel()
    return Tokenizer.from_str(made.to_str())  # what was trained in memory may differ from what its file says


def texts(rng: random.Random) -> list[str]:
    odd = ["", " ", "a" * 300, " \n" * 50, "<s><s>", "".join(rng.choice(ADDED + [" ", "x"]) for _ in range(30)), "e\u0301" * 40, "ab " * 100, "\ufb01\u00bd\u2460 \u1112\u1161\u11ab", "\x00\x07\u200b\ufeff"]
    return words(rng, 9) + rng.sample(odd, 3)


def main() -> None:
    hearth, count, seed = sys.argv[1], int((sys.argv[2:3] or ["100"])[0]), int((sys.argv[3:4] or ["1"])[0])
    refused, differ, tried = collections.Counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for number in range(count):
            rng = random.Random(seed * 1_000_003 + number)
            made = build(rng)
            if any(t.normalized and made.normalizer and not made.normalizer.normalize_str(t.content) for t in made.get_added_tokens_decoder().values()):
                continue  # the reference panics, hangs or takes all memory: make_random_tokenizers.py has the case that it can do
            path = Path(folder) / f"{number}.json"
            path.write_text(made.to_str())
            around = rng.random() < 0.5
            flags = ["--ids", "--special"] + (["--add-special"] if around else [])

            def ours(text: str):
                done = subprocess.run([hearth, "tokenize", str(path)] + flags, input=text.encode(), capture_output=True)
                return done.returncode, done.stdout.decode().split(), done.stderr.decode().strip()
            all_texts = texts(rng)
            for text, (status, ids, error) in zip(all_texts, pool.map(ours, all_texts)):
                tried += 1
                try:
                    want = made.encode(text, add_special_tokens=around).ids
                except BaseException as error:  # the reference panics on some added tokens with white space around
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    continue
                if status == 0 and [int(i) for i in ids] == want:
                    continue
                if status > 0 and ("known here" in error or "expected ByteLevel" in error or "expected a token for each byte" in error):
                    refused[error.split(": ", 2)[-1][-100:]] += 1
                    continue
                differ += 1
                about = {k: v for k, v in json.loads(made.to_str()).items() if k in ("normalizer", "pre_tokenizer", "post_processor", "added_tokens")}
                model = {k: v for k, v in json.loads(made.to_str())["model"].items() if k not in ("vocab", "merges")}
                print(json.dumps({"seed": [seed, number], "text": text, "tokenizers": want, "hearth": ids, "error": error, "about": about, "model": model}, ensure_ascii=False))
            path.unlink()
    for error, n in refused.most_common():
        print(f"refused {n}: {error}", file=sys.stderr)
    print(f"{tried} texts under {count} tokenizers, {differ} differ", file=sys.stderr)
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
