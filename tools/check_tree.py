"""Checks what compilers do not: floors of #includes, forbidden names, lengths of files and lines, leaks of machine paths.

    python3 tools/check_tree.py     prints every finding; exits 1 on an error, 0 on warnings alone
"""
import re
import subprocess
import sys
from pathlib import Path

FILE_LINES_WARN, FILE_LINES_MAX, LINE_CHARS_MAX = 600, 1000, 110
FORBIDDEN = {"util", "utils", "common", "helpers", "misc", "manager"}


def floors() -> dict[str, int]:
    text = Path("cmake/module.cmake").read_text()
    table = text.split("set(HEARTH_FLOORS", 1)[1].split(")", 1)[0]
    return {name: int(floor) for name, floor in re.findall(r"(\w+)=(\d+)", table)}


def check_includes(path: Path, lines: list[str], floor_of: dict[str, int]) -> list[str]:
    module = path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else None
    if module is None:
        return []
    if module not in floor_of:
        return [f"{path}: module {module} has no floor in cmake/module.cmake"]
    found = []
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#include "([a-z_]+)/', line)
        if not match or match[1] == module or match[1] not in floor_of:
            continue
        if floor_of[match[1]] >= floor_of[module]:
            found.append(f"{path}:{number}: {module} (floor {floor_of[module]}) includes {match[1]} "
                         f"(floor {floor_of[match[1]]})")
    return found


def main() -> int:
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    floor_of, errors, warnings = floors(), [], []
    for name in files:
        path = Path(name)
        if not path.exists():
            continue
        if {part.split(".")[0] for part in path.parts} & FORBIDDEN:
            errors.append(f"{path}: a name that says nothing; name what it is")
        if path.suffix not in {".h", ".cpp", ".inl", ".py", ".sh", ".cmake"} or path.parts[0] == "tests" and "fixtures" in path.parts:
            continue
        lines = path.read_text().splitlines()
        errors += check_includes(path, lines, floor_of)
        if path.suffix in {".h", ".cpp", ".inl"} and lines and not lines[0].startswith("// "):
            errors.append(f"{path}:1: expected an opening sentence that says what the file is")
        if len(lines) > FILE_LINES_MAX:
            errors.append(f"{path}: {len(lines)} lines, limit {FILE_LINES_MAX}")
        elif len(lines) > FILE_LINES_WARN:
            warnings.append(f"{path}: {len(lines)} lines; two files would read better")
        if path.suffix in {".h", ".cpp", ".inl"}:
            for number, line in enumerate(lines, 1):
                if len(line) > LINE_CHARS_MAX + 10:
                    errors.append(f"{path}:{number}: {len(line)} characters, limit {LINE_CHARS_MAX}")
    for warning in warnings:
        print("warning:", warning)
    for error in errors:
        print("error:", error)
    print(f"tree: {len(files)} files, {len(errors)} errors, {len(warnings)} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
