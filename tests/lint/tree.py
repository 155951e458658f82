#!/usr/bin/env python3
"""Checks that what the pages say of the tree is so, and that the tables of folders leave nothing out.

  tests/lint/tree.py [ROOT]      paths, links and pictures in all Markdown; each source file in its folder's row
  tests/lint/tree.py --self-test proves that each kind of violation is found

A row of a table that begins with a folder, as `ws` or (below web/src) `data`, describes that folder: a plain word in
backticks in its second column is one of its files without the ending, or a folder in it; `pg_*` is all that begin so.
Every .c file of the product and every .js file of web/src must be matched by a row of its folder.
"""
import fnmatch
import os
import re
import sys

import runner

PRODUCT = ("gateway", "ws", "ratelimit", "admin_api", "auth", "load")
MAPS = {"docs/ARCHITECTURE.md": "", "docs/DASHBOARD.md": "web/src"}
MADE = ("node_modules", "build", "dist", ".git", "var")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
TICKED = re.compile(r"`([^`]+)`")
WORD = re.compile(r"[a-z][a-z0-9_]*\*?")
# a file by its name alone: what only sources are called
ALONE = re.compile(r"[\w.-]+\.(c|h|test\.mjs)")
FENCE = re.compile(r"^ *```")


def files_of(root):
    found = set()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in MADE and not f.startswith("build-"))
        found.update(os.path.relpath(os.path.join(folder, name), root) for name in files)
    return found


def anchors(text):
    """The names GitHub gives to headings."""
    out = set()
    for line in text.split("\n"):
        if line.startswith("#"):
            name = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower().replace("`", ""))
            out.add(name.replace(" ", "-"))
    return out


def prose(text):
    """Lines with their numbers, without blocks of code."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def check_link(page, target, files, pages):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    whole = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    if whole not in files and not any(f.startswith(whole + "/") for f in files):
        return f"({target}) leads nowhere"
    if anchor and whole in pages and anchor not in anchors(pages[whole]):
        return f"({target}): no such heading"
    return None


def check_ticked(text, files, tops):
    """The complaint about a path or the name of a source in backticks, or None."""
    path = re.sub(r"^\./", "", text).split("#")[0].rstrip("/")
    if not re.fullmatch(r"[\w./*-]+", path) or path.startswith("/") or "..." in path:
        return None
    if any(part in MADE for part in path.split("/")):
        return None
    if "/" in path and path.split("/")[0] in tops:
        if not any(fnmatch.fnmatch(f, path) or fnmatch.fnmatch(f, path + "/*") or os.path.splitext(f)[0] == path
                   for f in files):
            return f"`{text}`: there is no such file or folder"
    elif ALONE.fullmatch(path.split("/")[-1]):
        if not any(fnmatch.fnmatch("/" + f, "*/" + path) for f in files):
            return f"`{text}`: there is no such file"
    return None


def rows_of(page, text, base, files):
    """(number, folder, names of its second column) of each row that describes a folder."""
    for number, line in prose(text):
        cells = [c.strip() for c in line.split("|")]
        folder = len(cells) > 3 and re.fullmatch(r"`([\w/]+)`", cells[1])
        if folder:
            whole = folder.group(1) if folder.group(1) == base else os.path.join(base, folder.group(1))
            if any(f.startswith(whole + "/") for f in files):
                yield number, whole, [t for t in TICKED.findall(cells[2]) if WORD.fullmatch(t)]


def check_maps(pages, files):
    named = {}
    for page, base in MAPS.items():
        for number, folder, names in rows_of(page, pages.get(page, ""), base, files):
            inside = [f[len(folder) + 1:] for f in files if f.startswith(folder + "/")]
            have = {i.split("/")[0] for i in inside if "/" in i} | {i.split(".")[0] for i in inside if "/" not in i}
            for name in names:
                if not any(fnmatch.fnmatchcase(h, name) for h in have):
                    yield f"{page}:{number}: {folder} has no `{name}`"
            named.setdefault(folder, []).extend(names)
    for path in sorted(files):
        folder, name = os.path.split(path)
        product = path.split("/")[0] in PRODUCT and name.endswith(".c")
        if not product and not (path.startswith("web/src/") and name.endswith(".js")):
            continue
        if not any(fnmatch.fnmatchcase(name.split(".")[0], n) for n in named.get(folder, [])):
            page = "docs/ARCHITECTURE.md" if product else "docs/DASHBOARD.md"
            yield f"{path}:1: not in {page}: name it in the row of {folder}"


def check(root):
    files = files_of(root)
    pages, complaints = {}, []
    for path in sorted(f for f in files if f.endswith(".md")):
        with open(os.path.join(root, path), encoding="utf-8") as text:
            pages[path] = text.read()
    tops = {f.split("/")[0] for f in files if "/" in f}
    for page, text in pages.items():
        for number, line in prose(text):
            found = [check_link(page, a or b, files, pages) for a, b in LINK.findall(TICKED.sub("", line))]
            found += [check_ticked(t, files, tops) for t in TICKED.findall(line)]
            complaints.extend(f"{page}:{number}: {c}" for c in found if c)
    complaints.extend(check_maps(pages, files))
    return len(pages), complaints


FIXTURE = {
    "docs/ARCHITECTURE.md": "# The `tree` of it\n\n| folder | what |x|\n|---|---|---|\n| `ws` | `good`, `lost`, `pg_*`, `sub` | |\n"
                            "`ws/good.c` `ws/*.c` `./ws/gone.c` `good.c` `never.c` `/v1/ws` `ws/dist/x` [a](OTHER.md#a-word) [b](NONE.md)\n"
                            "```\n`ws/in_code.c`\n```\n[c](OTHER.md#nowhere) ![d](none.png) <img src=\"p.png\"> [e](https://x.y/z)\n",
    "docs/DASHBOARD.md": "| folder | |\n|---|---|\n| `data` | `api` |\n| `web/src` | `main` |\n",
    "docs/OTHER.md": "# A word\n",
    "docs/p.png": "",
    "ws/good.c": "", "ws/pg_one.c": "", "ws/pg_two.c": "", "ws/other.c": "", "ws/sub/x.h": "",
    "web/src/data/api.js": "", "web/src/data/book.js": "", "web/src/main.js": "",
}
EXPECTED = [
    "docs/ARCHITECTURE.md:5: ws has no `lost`",
    "docs/ARCHITECTURE.md:6: (NONE.md) leads nowhere",
    "docs/ARCHITECTURE.md:6: `./ws/gone.c`: there is no such file or folder",
    "docs/ARCHITECTURE.md:6: `never.c`: there is no such file",
    "docs/ARCHITECTURE.md:10: (OTHER.md#nowhere): no such heading",
    "docs/ARCHITECTURE.md:10: (none.png) leads nowhere",
    "ws/other.c:1: not in docs/ARCHITECTURE.md",
    "web/src/data/book.js:1: not in docs/DASHBOARD.md",
]


if __name__ == "__main__":
    sys.exit(runner.run(check, __doc__, FIXTURE, EXPECTED, "pages", "pages"))
