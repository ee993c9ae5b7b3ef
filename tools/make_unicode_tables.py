#!/usr/bin/env python3
"""Writes src/text/unicode_tables.inc: character classes as the reference tokenizer sees them, and special casing.

The classes come from the regex engine inside the `tokenizers` package, not from the newest Unicode data: token ids
depend on them, so the reference's own idea of a letter is the right one. `word` is what its added tokens call a word
character (single_word); `han` is its regular expressions' Han; `accent`, `removed_by_bert`, `punctuation_of_bert` and
`combining` are what its BertNormalizer (strip_accents, clean_text), BertPreTokenizer and StripAccents single out.
Scripts come from its UnicodeScripts: two characters are of one script when they stand together uncut, and of any
script (0) when nothing cuts them off; the numbers count scripts as they first appear and say no more. Special casing
(one character to several) comes from Python's str methods.
"""
import platform
import sys
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CLASSES = [  # name, pattern; the order is that of the bits in unicode.h
    ("upper", r"\p{Lu}"), ("lower", r"\p{Ll}"), ("title", r"\p{Lt}"), ("modifier", r"\p{Lm}"),
    ("other_letter", r"\p{Lo}"), ("mark", r"\p{M}"), ("number", r"\p{N}"), ("punctuation", r"\p{P}"),
    ("symbol", r"\p{S}"), ("space", r"\s"),
]
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def members(pattern: str) -> set[int]:
    text = "".join(map(chr, SCALARS))
    found = set(SCALARS)
    for piece, _ in pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(text):
        found.difference_update(map(ord, piece))
    return found


def word_members() -> set[int]:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("x", single_word=True, normalized=False)])
    return {c for c in SCALARS if tokenizer.encode("x" + chr(c)).tokens[0] != "x"}


def bert_members() -> list[set[int]]:
    accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    punctuation, strip = pre_tokenizers.BertPreTokenizer(), normalizers.StripAccents()
    gone = lambda normalizer: {c for c in SCALARS if normalizer.normalize_str("x" + chr(c)) == "x"}
    apart = {c for c in SCALARS if [p for p, _ in punctuation.pre_tokenize_str("x" + chr(c) + "x")] == ["x", chr(c), "x"]}
    return [gone(accents), gone(clean), apart, gone(strip)]


def scripts() -> list[int]:
    cut = pre_tokenizers.UnicodeScripts()

    def with_it(one: str, others: list[int]) -> list[int]:
        """Those that stand after `one` without a cut between."""
        begins = {begin for _, (begin, _) in cut.pre_tokenize_str("".join(one + chr(c) for c in others))}
        return [c for i, c in enumerate(others) if 2 * i + 1 not in begins]

    found, number = [0] * 0x110000, 0
    any_script = set(with_it("a", SCALARS)) & set(with_it("1", SCALARS))
    left = [c for c in SCALARS if c not in any_script]
    while left:
        number += 1
        same = set(with_it(chr(left[0]), left))
        for c in same:
            found[c] = number
        left = [c for c in left if c not in same]
    return found


def rows(items: list[str], per_line: int) -> str:
    return "\n".join("    " + " ".join(items[i:i + per_line]) for i in range(0, len(items), per_line))


def runs_of(values: list[int]) -> list[str]:
    return [f"{{{c:#x}, {value:#x}}}," for c, value in enumerate(values) if c == 0 or value != values[c - 1]]


def main() -> None:
    bits = [0] * 0x110000
    for index, (_, pattern) in enumerate(CLASSES):
        for c in members(pattern):
            bits[c] |= 1 << index
    for index, found in enumerate([word_members(), *bert_members(), members(r"\p{Han}")], len(CLASSES)):
        for c in found:
            bits[c] |= 1 << index
    runs, script_runs = runs_of(bits), runs_of(scripts())
    special = []
    for c in SCALARS:
        for kind, text in (("upper", chr(c).upper()), ("title", chr(c).title()), ("lower", chr(c).lower())):
            if len(text) > 1:
                codes = ", ".join(f"{ord(t):#x}" for t in text)
                special.append(f"{{{c:#x}, Case::{kind}, {{{codes}}}}},")
    made_by = (f"tools/make_unicode_tables.py with tokenizers {tokenizers.__version__}, "
               f"Python {platform.python_version()} (Unicode {unicodedata.unidata_version})")
    out = Path(__file__).parent.parent / "src/text/unicode_tables.inc"
    out.write_text(
        f"// text/unicode_tables.inc - made by {made_by}; do not edit.\n"
        "// Runs of code points with the same classes: {first, bits}; a run ends where the next begins.\n"
        f"constexpr ClassRun kClassRuns[] = {{\n{rows(runs, 6)}\n}};\n"
        "// Runs of code points of one script, 0 for any: {first, script}.\n"
        f"constexpr ScriptRun kScriptRuns[] = {{\n{rows(script_runs, 7)}\n}};\n"
        "// Characters whose case is more than one character.\n"
        f"constexpr SpecialCase kSpecialCases[] = {{\n{rows(special, 3)}\n}};\n")
    print(f"{len(runs)} runs, {len(script_runs)} runs of scripts, {len(special)} special cases", file=sys.stderr)


if __name__ == "__main__":
    main()
