#!/usr/bin/env python3
"""Renders random templates with Jinja2, set up as transformers does it, and with hearth, and prints where they differ.

Usage: fuzz_templates.py HEARTH [COUNT [SEED]]. Texts must be equal byte for byte, errors must both be errors and say the
same in the end (hearth says the place first). Exit status 1 when anything differs.
"""
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "fixtures"))
from make_jinja_fixtures import environment, outcome  # noqa: E402
from template_maker import CONTEXTS, INTERNAL, TemplateMaker  # noqa: E402


def ours(hearth: str, folder: Path, i: int, template: str, context: dict) -> tuple[str | None, str | None]:
    path = folder / f"{i}.jinja"
    path.write_text(template)
    done = subprocess.run([hearth, "render", str(path), "-"], input=json.dumps(context).encode(), capture_output=True)
    path.unlink()
    if done.returncode == 0:
        return done.stdout.decode(), None
    return None, done.stderr.decode() if done.returncode > 0 else f"signal {-done.returncode}"


def same(theirs: tuple, mine: tuple) -> bool:
    if theirs[0] is not None and " at 0x" in theirs[0]:
        return True
    if theirs[0] is not None or mine[0] is not None:
        return theirs[0] == mine[0]
    if mine[1].startswith("signal"):
        return False
    return INTERNAL.search(theirs[1]) is not None or mine[1].rstrip().endswith(re.sub(r"\s", " ", theirs[1]).strip())


def main() -> None:
    hearth, count, seed = sys.argv[1], int((sys.argv[2:3] or ["2000"])[0]), int((sys.argv[3:4] or ["1"])[0])
    env, maker, cases = environment(), TemplateMaker(seed), []
    for i in range(count):
        template = maker.template()
        cases.append((template, CONTEXTS[i % 6 // 4 + (i % 6 == 5)]))
    differ = failed = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        mine = pool.map(lambda one: ours(hearth, Path(folder), one[0], *one[1]), enumerate(cases))
        for (template, context), got in zip(cases, mine):
            theirs = outcome(env, template, context)
            failed += theirs[0] is None
            if same(theirs, got):
                continue
            differ += 1
            print(json.dumps({"template": template, "context": CONTEXTS.index(context), "jinja2": theirs, "hearth": got}, ensure_ascii=False))
    print(f"{count} templates, {failed} of them errors, {differ} differ", file=sys.stderr)
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
