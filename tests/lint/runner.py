"""What the lints that look at a whole tree share: their proof, and their command line.

A lint has a check(ROOT) -> (how many NOUN it looked at, complaints), and a fixture of files with the complaints expected of it.
"""
import os
import sys
import tempfile


def self_test(check, fixture, expected):
    with tempfile.TemporaryDirectory() as root:
        for path, text in fixture.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as out:
                out.write(text)
        _, found = check(root)
    missed = [e for e in expected if not any(f.startswith(e) for f in found)]
    extra = [f for f in found if not any(f.startswith(e) for e in expected)]
    for line in missed:
        print(f"not found: {line}", file=sys.stderr)
    for line in extra:
        print(f"found wrongly: {line}", file=sys.stderr)
    if missed or extra:
        return 1
    print(f"self-test: all {len(expected)} violations found, nothing else")
    return 0


def run(check, usage, fixture, expected, nothing, noun):
    """The exit code. NOTHING: what is missing where there was nothing to look at; NOUN: what is counted."""
    arguments = sys.argv[1:]
    name = os.path.basename(sys.argv[0])
    if "--help" in arguments or "-h" in arguments:
        print(usage)
        return 0
    if arguments == ["--self-test"]:
        return self_test(check, fixture, expected)
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(f"{name}: see {name} --help", file=sys.stderr)
        return 2
    root = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    count, complaints = check(os.path.normpath(root))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if count == 0:
        print(f"{name}: no {nothing} under {root}", file=sys.stderr)
        return 1
    print(f"{count} {noun}, {len(complaints)} complaints")
    return 1 if complaints else 0
