#!/usr/bin/env python3
"""Pages made from the program's tables must be what the program prints today.

  tests/lint/docs.py --program build/portcullis            fails when a page is stale or missing
  tests/lint/docs.py --program build/portcullis --update   writes them

A page is a file under docs/ whose first line says "Made by `portcullis --describe NAME`". A table without a page
gets docs/NAME.md (in capitals). The names are those of `portcullis --help`.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
MADE = re.compile(r"Made by `portcullis --describe (\w+)`")
# a program under AddressSanitizer must not fail here because of what it leaves unfreed at exit
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}


def run(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True, timeout=30,
                          env=ENVIRONMENT).stdout


def pages():
    found = {}
    for folder, _, files in os.walk(os.path.join(ROOT, "docs")):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".md"):
                with open(path, encoding="utf-8") as text:
                    match = MADE.search(text.readline())
                if match:
                    found[match.group(1)] = path
    return found


def main():
    arguments = sys.argv[1:]
    if len(arguments) not in (2, 3) or arguments[0] != "--program" or arguments[2:] not in ([], ["--update"]):
        print(__doc__)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    program, update = arguments[1], len(arguments) == 3
    listed = re.search(r"--describe WHAT.*Markdown: ([\w ]+)", run(program, "--help"))
    if listed is None:
        print("docs.py: `portcullis --help` no longer lists its tables after `--describe WHAT`", file=sys.stderr)
        return 1
    have, failed = pages(), False
    for name in sorted({*listed.group(1).split(), *have}):
        path = have.get(name, os.path.join(ROOT, "docs", name.upper() + ".md"))
        shown = os.path.relpath(path, ROOT)
        if name not in listed.group(1).split():
            print(f"{shown}: the program has no table {name} any more; delete the page", file=sys.stderr)
            failed = True
            continue
        text = run(program, "--describe", name)
        old = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as page:
                old = page.read()
        if old == text:
            continue
        if update:
            with open(path, "w", encoding="utf-8") as page:
                page.write(text)
            print(f"{shown}: written")
        else:
            print(f"{shown}: {'missing' if old is None else 'stale'}", file=sys.stderr)
            failed = True
    if failed:
        print("next: tests/lint/docs.py --program build/portcullis --update", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
