#!/usr/bin/env python3
"""Checks that the source keeps to its layers and sizes.

  tests/lint/layers.py [ROOT]      every #include against tests/lint/layers.txt and the tables below;
                                   files of at most 700 lines, functions of at most 60
  tests/lint/layers.py --self-test proves that each kind of violation is found

A comment `/* long: why */` on the line before a function's name lifts its limit, for flat switches and tables.
"""
import os
import re
import sys

import runner

# Third-party headers and the folders (or files) whose glue may include them.
THIRD_PARTY = {
    r"uv\.h": ["gateway/runtime", "gateway/store", "gateway/feed", "gateway/publish", "gateway/http",
               "gateway/rest", "gateway/app", "gateway/audit", "gateway/gate", "gateway/core", "gateway/paging", "gateway/incident", "gateway/reported", "ws", "auth", "admin_api", "load"],
    r"libwebsockets\.h": ["ws"],
    r"h2o(/.*)?\.h": ["gateway/http"],
    r"hiredis/.*\.h": ["gateway/store", "load"],
    r"libpq-fe\.h": ["gateway/store"],
    r"yaml\.h": ["gateway/runtime/yaml.c"],
    r"jansson\.h": ["gateway/runtime", "gateway/feed", "gateway/audit", "gateway/control", "gateway/gate", "gateway/core", "gateway/paging", "gateway/incident", "gateway/playbook", "gateway/reported", "ws", "load", "admin_api"],
    r"openssl/.*\.h": ["gateway/http", "gateway/audit", "gateway/gate", "gateway/paging", "auth", "ws", "load", "admin_api/portctl"],
    r"curl/curl\.h": ["admin_api/portctl/http.c", "gateway/paging"],
    r"argon2\.h": ["auth/people/password.c"],
    r"zlib\.h": ["gateway/market", "load"],
    r"ut(hash|list)\.h": ["gateway", "ws", "load", "ratelimit", "auth", "admin_api"],
}
# What comes with the C library, Linux and the compiler.
SYSTEM = re.compile(
    r"(assert|ctype|dirent|errno|fcntl|fenv|fnmatch|getopt|glob|immintrin|inttypes|limits|locale|math|netdb|poll|pthread"
    r"|regex|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn"
    r"|string|strings|syslog|termios|threads|time|unistd|wchar"
    r"|arpa/\w+|linux/\w+|net/\w+|netinet/\w+|sys/\w+|sanitizer/\w+)\.h")
PRODUCT = ("gateway", "ws", "ratelimit", "admin_api", "auth", "load")
FILE_LINES = 700
FUNCTION_LINES = 60
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def read_layers(root):
    """folder -> folders it may include, itself among them; and complaints about the table."""
    layers, complaints = {}, []
    name = "tests/lint/layers.txt"
    with open(os.path.join(root, name), encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            folder, colon, uses = line.partition(":")
            if not colon or folder in layers:
                complaints.append(f"{name}:{number}: expected one line `folder: what it may use` a folder")
                continue
            for use in uses.split():
                # earlier lines only: so there can be no circle
                if use not in layers:
                    complaints.append(f"{name}:{number}: {folder} uses {use}, which must be listed above it")
            layers[folder] = {folder, *uses.split()}
    return layers, complaints


def check_include(path, folder, layers, bracket, header):
    """The complaint about one #include, or None."""
    if bracket == '"':
        target = os.path.dirname(header)
        if not target or header.startswith("."):
            return f'"{header}" is not named from the root; write "{folder}/{os.path.basename(header)}"'
        if target not in layers.get(folder, ()):
            return (f"{folder} may not include {target}; move the code, or (a design decision) add {target} to the "
                    f"line of {folder} in tests/lint/layers.txt")
        return None
    if SYSTEM.fullmatch(header):
        return None
    for pattern, places in THIRD_PARTY.items():
        if re.fullmatch(pattern, header):
            if any(path == place or path.startswith(place + "/") for place in places):
                return None
            return f"<{header}> belongs in its glue only: {', '.join(places)}"
    return f"<{header}> is not a known header; a new library is a design decision: add it to THIRD_PARTY in layers.py"


def check_sizes(path, lines):
    if len(lines) > FILE_LINES:
        yield 1, f"{len(lines)} lines; a file has at most {FILE_LINES}: split it by responsibility"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif start is not None and line.startswith("}"):
            length = number - start - 1
            head = lines[max(0, start - 8):start - 1]
            excused = any(part.startswith("/* long: ") for part in head)
            if length > FUNCTION_LINES and not excused:
                yield start, f"a function of {length} lines; at most {FUNCTION_LINES}: split it"
            start = None


def check_file(root, path, layers):
    with open(os.path.join(root, path), encoding="utf-8") as text:
        lines = text.read().split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    folder = os.path.dirname(path)
    if path.startswith(PRODUCT):
        if folder not in layers:
            yield f"{path}:1: {folder} is not in tests/lint/layers.txt; add its line: what it may use"
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            complaint = match and check_include(path, folder, layers, *match.groups())
            if complaint:
                yield f"{path}:{number}: {complaint}"
    for number, complaint in check_sizes(path, lines):
        yield f"{path}:{number}: {complaint}"


def sources(root):
    for top in PRODUCT + ("tests",):
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if f != "node_modules")
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def check(root):
    layers, complaints = read_layers(root)
    count = 0
    for path in sources(root):
        count += 1
        complaints.extend(check_file(root, path, layers))
    return count, complaints


FIXTURE = {
    "tests/lint/layers.txt": "gateway/base:\ngateway/runtime: gateway/base\nws: gateway/runtime\nload: later\n",
    "gateway/base/good.c": '#include "gateway/base/good.h"\n#include <stdio.h>\nint f(void)\n{\n    return 1;\n}\n',
    "gateway/base/up.c": '#include "gateway/runtime/log.h"\n',
    "gateway/base/loop.c": "#include <uv.h>\n",
    "gateway/runtime/near.c": '#include "near.h"\n',
    "gateway/runtime/other.c": "#include <zmq.h>\n",
    "gateway/runtime/config.c": "#include <yaml.h>\n",
    "gateway/runtime/yaml.c": "#include <yaml.h>\n",
    "gateway/extra/lost.c": "int x;\n",
    "ws/long.c": "void f(void)\n{\n" + "    g();\n" * 61 + "}\n",
    "ws/excused.c": "/* long: a flat switch */\nvoid f(void)\n{\n" + "    g();\n" * 61 + "}\n",
    "ws/big.c": "int x;\n" * 701,
    "tests/unit/ws/free.c": '#include <cmocka.h>\n#include "ws/anything.h"\n',
}
EXPECTED = [
    "tests/lint/layers.txt:4: load uses later",
    "gateway/base/loop.c:1: <uv.h> belongs in its glue only",
    "gateway/base/up.c:1: gateway/base may not include gateway/runtime",
    "gateway/extra/lost.c:1: gateway/extra is not in tests/lint/layers.txt",
    "gateway/runtime/config.c:1: <yaml.h> belongs in its glue only",
    "gateway/runtime/near.c:1: \"near.h\" is not named from the root",
    "gateway/runtime/other.c:1: <zmq.h> is not a known header",
    "ws/big.c:1: 701 lines",
    "ws/long.c:2: a function of 61 lines",
]


if __name__ == "__main__":
    sys.exit(runner.run(check, __doc__, FIXTURE, EXPECTED, "sources", "files"))
