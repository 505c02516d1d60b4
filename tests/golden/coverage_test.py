#!/usr/bin/env python3
"""The table of API coverage in README.md and docs/api.md: made from the facts table, the kinds' files and the
tests, and never by hand. Run as a test it compares; with --write it writes."""

import json
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BEGIN, END = "<!-- coverage: made by tests/golden/coverage_test.py --write -->", "<!-- end of coverage -->"
ALL = "create,get,list,watch,update,patch,delete,deletecollection".split(",")
# Where resources without objects of their own, and subresources, have their behaviour.
ELSEWHERE = {
    "bindings": "core/api/subresource.c", "componentstatuses": None,
    "selfsubjectreviews": "core/api/reviews.c", "tokenreviews": "core/api/reviews.c",
    "localsubjectaccessreviews": "core/api/reviews.c", "selfsubjectaccessreviews": "core/api/reviews.c",
    "selfsubjectrulesreviews": "core/api/reviews.c", "subjectaccessreviews": "core/api/reviews.c",
    "metrics.k8s.io/nodes": "core/api/connect.c", "metrics.k8s.io/pods": "core/api/connect.c",
}


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def sources(*folder):
    for root, _, names in sorted(os.walk(os.path.join(TOP, *folder))):
        for name in sorted(names):
            if name.endswith((".c", ".py", ".txt", ".sh")):
                path = os.path.relpath(os.path.join(root, name), TOP)
                yield path, read(path)


def resources():
    """Group version -> resource -> {verbs, subresources}, as the facts table has them."""
    found = {}
    for line in read("core", "schema", "kubernetes-1.35-api.tsv").splitlines():
        if line.startswith("R\t"):
            _, group, version, name, kind, scope, verbs = line.split("\t")
            group = "" if group == "-" else group
            main, _, sub = name.partition("/")
            r = found.setdefault((group, version), {}).setdefault(main, {"kind": kind, "subs": [], "verbs": []})
            if sub:
                r["subs"].append(sub)
            else:
                r.update(kind=kind, scope=scope, verbs=verbs.split(","))
    return found


def rules():
    """(group, resource) -> the file with its own defaults and validation."""
    found = {}
    for path, text in list(sources("core", "api", "kinds")) + [("core/api/crd/definition.c", read("core", "api", "crd", "definition.c"))]:
        for m in re.finditer(r"const struct kind kind_\w+ = \{(.*?)\};", text, re.S):
            body = m.group(1)
            group = re.search(r'\.group = (?:"([^"]*)"|(\w+))', body)
            resource = re.search(r'\.resource = (?:"([^"]*)"|(\w+))', body)
            if not re.search(r"\.(validate|set_defaults|prepare_create|before_delete)\b", body):
                continue

            def value(m, text=text):
                if m.group(1) is not None:
                    return m.group(1)
                named = rf'(?:#define {m.group(2)}\s+|\b{m.group(2)}\[\] = )"([^"]*)"'
                return re.search(named, text + read("core", "api", "crd", "crd.h")).group(1)

            found[value(group), value(resource)] = path
    return found


def tested(kind, plural, samples, texts):
    """Unit tests and cluster tests that name it."""
    word = re.compile(rf"\b({plural}|{kind})\b")
    return [os.path.basename(path) for path, text in texts if word.search(text)] + (["every_kind_test.py"] if samples else [])


def rows():
    own, samples = rules(), json.loads(read("tests", "cluster", "kinds.json"))
    texts = [t for t in list(sources("tests", "unit", "api")) + list(sources("tests", "cluster")) if not t[0].endswith("every_kind_test.py")]
    for (group, version), all_ in sorted(resources().items()):
        for plural, r in all_.items():
            gv = f"{group}/{version}" if group else version
            where = own.get((group, plural)) or ELSEWHERE.get(plural) or ELSEWHERE.get(f"{group}/{plural}")
            if plural == "events":
                where = own.get(("", "events"))
            yield {"gv": gv, "plural": plural, **r, "rules": where,
                   "tests": tested(r["kind"], plural, gv + "/" + plural in samples, texts), "sample": gv + "/" + plural in samples}


def detail(table):
    out = ["# API coverage", "", "Made by `tests/golden/coverage_test.py --write` from the facts table (`core/schema/kubernetes-1.35-api.tsv`), the",
           "kinds' files and the tests. *Every verb* stands for create, get, list, watch, update, patch, delete and deletecollection.",
           "A resource without rules of its own has its fields checked by type and name, its metadata validated, and upstream's",
           "published defaults; not more.", "",
           "| group version | resource | verbs | subresources | rules of its own | all verbs in a test |", "| --- | --- | --- | --- | --- | --- |"]
    for r in table:
        missing = [v for v in ALL if v not in r["verbs"]]
        verbs = "every verb" if not missing else "every verb but " + ", ".join(missing) if len(missing) < 3 else ", ".join(r["verbs"])
        where = f"`{r['rules']}`" if r["rules"] else "**none**"
        out.append(f"| {r['gv']} | {r['plural']} | {verbs} | {', '.join(r['subs'])} | {where} | {'yes' if r['sample'] else ''} |")
    return "\n".join(out) + "\n"


def summary(table):
    out = ["| group version | resources | through every verb in a test | missing |", "| --- | --- | --- | --- |"]
    for gv in dict.fromkeys(r["gv"] for r in table):
        of = [r for r in table if r["gv"] == gv]
        names = ", ".join(r["plural"] + (f" ({', '.join(r['subs'])})" if r["subs"] else "") for r in of)
        plain = [r["plural"] for r in of if not r["rules"]]
        untested = [r["plural"] for r in of if not r["tests"]]
        missing = [f"rules of their own: {', '.join(plain)}"] * bool(plain) + [f"tests: {', '.join(untested)}"] * bool(untested)
        full = sum(r["sample"] for r in of)
        out.append(f"| {gv} | {names} | {full} of {len(of)} | {'; '.join(missing)} |")
    total, full = len(table), sum(r["sample"] for r in table)
    out += ["", f"{total} resources and {sum(len(r['subs']) for r in table)} subresources; {full} go through every verb in one test "
            f"(`tests/cluster/every_kind_test.py`), the others have other verbs and tests of their own. {sum(1 for r in table if r['rules'])} have defaults and "
            "validation beyond their fields' types; the rest is named above. Versions that upstream calls alpha or beta are not served. "
            "Resource by resource: [docs/api.md](docs/api.md)."]
    return "\n".join(out)


def main():
    table = list(rows())
    readme = read("README.md")
    if BEGIN not in readme or END not in readme:
        print("not ok the README has a place for the table: no marker")
        return 1
    head, rest = readme.split(BEGIN)
    wanted = {"README.md": head + BEGIN + "\n" + summary(table) + "\n" + END + rest.split(END)[1], "docs/api.md": detail(table)}
    if sys.argv[1:] == ["--write"]:
        for path, text in wanted.items():
            with open(os.path.join(TOP, path), "w", encoding="utf-8") as f:
                f.write(text)
        return 0
    failed = 0
    for path, text in wanted.items():
        have = read(path) if os.path.exists(os.path.join(TOP, path)) else ""
        failed += have != text
        print(f"ok {path} tells what there is" if have == text else f"not ok {path} tells what there is: run tests/golden/coverage_test.py --write")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
