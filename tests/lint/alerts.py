#!/usr/bin/env python3
"""Alert rules must say what they promise, of metrics that exist.

  tests/lint/alerts.py --program build/portcullis   docs/ops/prometheus/*.yml against what the program exports, the
                                                    detectors, the playbooks and docs/ALERTS.md; then promtool and
                                                    amtool, where they are installed (Debian: prometheus)
  tests/lint/alerts.py --self-test                  proves that each kind of mistake is found

rules.yml is read as YAML of the layout it has: keys at fixed depths, texts in double quotes or `>-` blocks.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
RULES = "docs/ops/prometheus/rules.yml"
TESTS = "docs/ops/prometheus/rules_test.yml"
PAGE = "docs/ALERTS.md"
# a program under AddressSanitizer must not fail here because of what it leaves unfreed at exit
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}

SEVERITIES = {"SEV1": "critical", "SEV2": "critical", "SEV3": "warning", "SEV4": "info"}
LABELS = {"severity", "sev", "playbook", "raised_by"}
ANNOTATIONS = {"summary", "description", "runbook_url"}
PAGE_URL = "{{ $externalLabels.portcullis_url }}/incidents/playbooks"
SCRAPED = {"instance", "job"}  # what Prometheus adds to every series
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "offset", "and", "or", "unless", "bool"}
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as text:
        return text.read()


# --- what there is ----------------------------------------------------------------------------------------------------

def table_rows(text, columns):
    """Rows of Markdown tables with so many columns whose first cell is `code`."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if len(cells) == columns and re.fullmatch(r"`[^`]+`", cells[0]):
            yield [cells[0].strip("`"), *cells[1:]]


def exported(described):
    """Metrics and their labels, of `portcullis --describe metrics`: its tables, and the sentence above them."""
    found = {}
    beside = re.search(r"^Served as (.*)$", described, re.M)
    if beside is None:
        raise SystemExit("alerts.py: `--describe metrics` no longer says \"Served as ... with ..\" above its tables")
    parts = re.split(r"\bby (\w+)\b", beside.group(1))
    for text, label in zip(parts[::2], [*parts[1::2], None]):
        for name in re.findall(r"`([a-z][a-z0-9_]*)`", text):
            found[name] = {label} if label else set()
    for name, kind, label, _ in table_rows(described, 4):
        labels = {label} if label else set()
        if kind == "histogram":
            found[name + "_sum"] = found[name + "_count"] = labels
            found[name + "_bucket"] = labels | {"le"}
        else:
            found[name] = labels
    return found


def signals(page):
    """Signals others report, of the page's table: None for any labels."""
    section = page.partition("\n## Signals some of them need\n")[2].partition("\n## ")[0]
    return {"reported_" + name: None if labels == "any" else set(re.findall(r"`(\w+)`", labels))
            for name, labels, _ in table_rows(section, 3)}


# --- the rules --------------------------------------------------------------------------------------------------------

def rules_of(text):
    """[(line, rule)] of rules.yml; rule: alert, expr, for, labels, annotations. And complaints about the layout."""
    rules, complaints, rule, into, block = [], [], None, None, None
    for number, line in enumerate(text.splitlines(), 1):
        depth = len(line) - len(line.lstrip())
        if block and line.strip() and depth > block[2]:
            block[0][block[1]] = (block[0][block[1]] + " " + line.strip()).strip()
            continue
        block = None
        if not line.strip() or line.lstrip().startswith("#") or re.fullmatch(r"groups:|  - name: [\w ]+|    rules:", line):
            continue
        match = re.fullmatch(r"( {6}- | {8}| {10})(\w+):(?: (.*))?", line)
        if match is None:
            complaints.append((number, f"not of the layout of this file: {line.strip()}"))
            continue
        place, key, value = len(match.group(1)), match.group(2), match.group(3) or ""
        if match.group(1) == "      - ":
            rule, into = {"labels": {}, "annotations": {}}, None
            rules.append((number, rule))
        elif rule is None:
            complaints.append((number, f"{key} belongs to no rule"))
            continue
        elif place == 8:
            into = rule[key] if key in ("labels", "annotations") else None
            if into is not None:
                continue
        target = into if place == 10 and into is not None else rule
        if key in target:
            complaints.append((number, f"{key} is there twice"))
        quoted = re.fullmatch(r'"([^"\\]*)"', value)
        target[key] = quoted.group(1) if quoted else value
        if value in (">-", "|-"):
            target[key] = ""
            block = (target, key, place)
    return rules, complaints


def selectors(expr):
    """[(metric, labels it is asked for)] and the labels named elsewhere, of a PromQL expression."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
    named = set()
    for group in re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", plain):
        named |= set(re.findall(r"\w+", group))
    plain = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", plain)
    plain = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", plain)
    found = []
    for match in re.finditer(rf"(?<![\w:.])({NAME})\s*(\(|\{{([^}}]*)\}})?", plain):
        if match.group(2) != "(" and match.group(1) not in WORDS:
            found.append((match.group(1), set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", match.group(3) or ""))))
    return found, named


def check_expression(rule, metrics):
    found, named = selectors(rule.get("expr", ""))
    known, anything = set(SCRAPED), False
    if not found and rule["expr"] != "vector(1)":
        yield "expr looks at no metric"
    for name, asked in found:
        if name not in metrics:
            yield f"no such metric: {name}"
            anything = True
            continue
        labels = metrics[name]
        anything = anything or labels is None
        known |= labels or set()
        for label in sorted(asked - SCRAPED - (asked if labels is None else labels)):
            yield f"{name} has no label {label}"
    for text in [*rule["annotations"].values(), *rule["labels"].values()]:
        named |= set(re.findall(r"\$labels\.(\w+)", text))
    for label in sorted(named - known):
        if not anything:
            yield f"no metric of it has the label {label}"


def check_rule(rule, metrics, detectors, playbooks):
    labels, annotations = rule["labels"], rule["annotations"]
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", rule.get("alert", "")):
        yield "alert: a name in words that begin with capitals"
    if labels.get("sev") not in SEVERITIES:
        yield "label sev: SEV1 to SEV4"
    elif labels.get("severity") != SEVERITIES[labels["sev"]]:
        yield f"label severity: {SEVERITIES[labels['sev']]} for {labels['sev']}"
    for name in sorted(set(labels) - LABELS):
        yield f"label {name}: not one of {', '.join(sorted(LABELS))}"
    if "playbook" in labels and labels["playbook"] not in playbooks:
        yield f"label playbook: docs/playbooks has no {labels['playbook']}.yaml"
    if "raised_by" in labels and labels["raised_by"] not in detectors | {"incidents"}:
        yield f"label raised_by: no detector {labels['raised_by']} in docs/DETECTORS.md"
    for name in sorted(ANNOTATIONS ^ set(annotations)):
        yield f"annotation {name}: {'missing' if name in ANNOTATIONS else 'not one of the three'}"
    wanted = PAGE_URL + (f"?book={labels['playbook']}" if "playbook" in labels else "")
    if annotations.get("runbook_url") != wanted:
        yield f"annotation runbook_url: {wanted}"
    if "Next: " not in annotations.get("description", "") and rule.get("alert") != "Watchdog":
        yield "annotation description: what it means, then \"Next: \" and what to do"
    if len(annotations.get("summary", "x" * 201)) > 200 or not annotations.get("summary"):
        yield "annotation summary: 1 to 200 characters"
    yield from check_expression(rule, metrics)


def check_tests(names, tests):
    """Each alert is expected to be quiet once, and to fire once."""
    cases = re.split(r"\n      - (?=expr: )", tests)
    for name in names:
        mine = [case for case in cases if f'expr: ALERTS{{alertname="{name}",alertstate="firing"}}' in case]
        if not any(f'{{labels: \'ALERTS{{alertname="{name}",alertstate="firing"' in case for case in mine):
            yield f"{TESTS}: {name} is never expected to fire"
        if name != "Watchdog" and not any("exp_samples: []" in case for case in mine):
            yield f"{TESTS}: {name} is never expected to be quiet"


def check_page(rules, page):
    section = page.partition("\n## The alerts\n")[2].partition("\n## ")[0]
    cell = lambda rule, name: f"`{rule['labels'][name]}`" if name in rule["labels"] else ""
    shown = {row[0]: (row[1], row[3], row[4]) for row in table_rows(section, 5)}
    wanted = {rule["alert"]: (rule["labels"].get("sev"), cell(rule, "playbook"), cell(rule, "raised_by")) for _, rule in rules}
    for name in sorted(set(shown) | set(wanted)):
        if shown.get(name) != wanted.get(name):
            yield f"{PAGE}: the row of {name} should be {wanted.get(name, 'no row')}, is {shown.get(name, 'missing')}"


def check(text, metrics, detectors, playbooks):
    rules, layout = rules_of(text)
    complaints = [f"{RULES}:{number}: {what}" for number, what in layout]
    names = [rule.get("alert", "") for _, rule in rules]
    for number, rule in rules:
        complaints += [f"{RULES}:{number}: {rule.get('alert')}: {what}" for what in check_rule(rule, metrics, detectors, playbooks)]
    complaints += [f"{RULES}: {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    return rules, complaints


# --- the tools of Prometheus ------------------------------------------------------------------------------------------

def run_tools():
    """False: a tool found something. A tool that is not here is named."""
    folder, good = os.path.join(ROOT, os.path.dirname(RULES)), True
    for tool, *arguments in (("promtool", "check", "config", "prometheus.yml"), ("promtool", "test", "rules", "rules_test.yml"),
                             ("amtool", "check-config", "alertmanager.yml")):
        if shutil.which(tool) is None:
            print(f"not run, no {tool} here (apt-get install --no-install-recommends prometheus prometheus-alertmanager): {' '.join(arguments)}")
            continue
        # the shipped prometheus.yml names a certificate that only the operator has
        syntax = ["--syntax-only"] if arguments[1] == "config" else []
        done = subprocess.run([tool, *arguments[:2], *syntax, *arguments[2:]], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode != 0:
            print(f"{tool} {' '.join(arguments)}:\n{done.stdout}{done.stderr}", file=sys.stderr)
            good = False
    return good


# --- self-test --------------------------------------------------------------------------------------------------------

GOOD = """groups:
  - name: portcullis test
    rules:
      # why
      - alert: GoodOne
        expr: |-
          max without (instance, reason) (rate(a_total{reason="x y{}"}[5m])) * 60 > 20
          or on (job) histogram_quantile(0.99, b_seconds_bucket{le!="1"}) > 1e3
          or reported_c{any="1"} offset 5m == 0
        for: 30s
        labels:
          severity: critical
          sev: SEV2
          playbook: book
          raised_by: gateway:one
        annotations:
          summary: "A summary of {{ $labels.reason }}"
          description: >-
            What it means.
            Next: what to do.
          runbook_url: "{{ $externalLabels.portcullis_url }}/incidents/playbooks?book=book"
"""
BROKEN = [  # (what is put in place of what, what is said of it)
    ("a_total{", "a_totl{", "no such metric: a_totl"),
    ('reason="x y{}"', 'cause="x"', "a_total has no label cause"),
    ('le!="1"', 'shard!="1"', "b_seconds_bucket has no label shard"),
    ("b_seconds_bucket", "b_seconds", "no such metric: b_seconds"),
    ("reported_c", "reported_d", "no such metric: reported_d"),
    ("critical", "warning", "label severity: critical for SEV2"),
    ("SEV2", "SEV5", "label sev"),
    ("playbook: book", "playbook: other", "has no other.yaml"),
    ("gateway:one", "gateway:two", "no detector gateway:two"),
    ("?book=book", "", "annotation runbook_url"),
    ("{{ $externalLabels.portcullis_url }}", "https://host", "annotation runbook_url"),
    ("Next: ", "", "annotation description"),
    ('          summary: "A summary of {{ $labels.reason }}"\n', "", "annotation summary"),
    ("          severity: critical\n", "          severity: critical\n          team: x\n", "label team"),
    ("        for: 30s\n", "       for: 30s\n", "not of the layout"),
    ("        for: 30s\n", "        for: 30s\n        for: 1m\n", "for is there twice"),
]
NARROW = [("or reported_c{any=\"1\"} offset 5m == 0\n", "\n", None), ("(instance, reason)", "(instance, colour)", "no metric of it has the label colour"),
          ("$labels.reason", "$labels.colour", "no metric of it has the label colour")]


def self_test():
    metrics = {"a_total": {"reason"}, "b_seconds_bucket": {"le"}, "reported_c": None}
    what = lambda text: check(text, metrics, {"gateway:one"}, {"book"})[1]
    wrong = [f"found wrongly: {line}" for line in what(GOOD)]
    narrow = GOOD.replace(*NARROW[0][:2])
    wrong += [f"found wrongly: {line}" for line in what(narrow)]
    for base, old, new, said in [(GOOD, *row) for row in BROKEN] + [(narrow, *row) for row in NARROW[1:]]:
        found = what(base.replace(old, new))
        if old not in base or not any(said in line for line in found):
            wrong.append(f"{old!r} -> {new!r}: not found: {said}; found: {found}")
    quiet = "x\n      - expr: ALERTS{alertname=\"GoodOne\",alertstate=\"firing\"}\n        exp_samples: []"
    fires = quiet.replace("[]", "\n          - {labels: 'ALERTS{alertname=\"GoodOne\",alertstate=\"firing\"}', value: 1}")
    for tests, count in (("", 2), (quiet, 1), (fires, 1), (quiet + fires[1:], 0)):
        if len(list(check_tests(["GoodOne"], tests))) != count:
            wrong.append(f"tests of a rule: {list(check_tests(['GoodOne'], tests))}, not {count}")
    page = "\n## The alerts\n\n| `GoodOne` | SEV2 | x | `book` | `gateway:one` |\n"
    rules = rules_of(GOOD)[0]
    if list(check_page(rules, page)) or not list(check_page(rules, page.replace("SEV2", "SEV1"))) or not list(check_page(rules, "")):
        wrong.append("rows of the page")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"self-test: {'failed' if wrong else f'all {len(BROKEN) + len(NARROW) + 5} cases'}")
    return 1 if wrong else 0


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 2 or arguments[0] != "--program":
        print(__doc__)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    described = subprocess.run([arguments[1], "--describe", "metrics"], check=True, capture_output=True, text=True, timeout=30,
                               env=ENVIRONMENT).stdout
    page = read(PAGE)
    detectors = {row[0] for row in table_rows(read("docs/DETECTORS.md"), 4)}
    playbooks = {name[:-5] for name in os.listdir(os.path.join(ROOT, "docs/playbooks")) if name.endswith(".yaml")} - {"contacts"}
    rules, complaints = check(read(RULES), {**exported(described), **signals(page)}, detectors, playbooks)
    complaints += check_tests([rule["alert"] for _, rule in rules], read(TESTS))
    complaints += check_page(rules, page)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    tools = run_tools()
    if not complaints and tools:
        print(f"{len(rules)} rules")
    return 0 if not complaints and tools else 1


if __name__ == "__main__":
    sys.exit(main())
