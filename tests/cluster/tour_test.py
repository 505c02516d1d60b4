#!/usr/bin/env python3
# timeout: 300
"""A tour of kubectl: every verb that needs no running container, each with what upstream prints for it. Lines
of tour.txt are a command and what its output must match: `=` exactly, `~` a regular expression somewhere, `!`
the same for a command that must fail. Text between <<< and >>> is the command's standard input."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cluster  # noqa: E402
from control import Control, expect, run  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def parse(text):
    """(command, input, [(how, expected)])"""
    steps, lines = [], iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            steps.append([line[2:], None, []])
        elif line == "<<<":
            body = []
            for inner in lines:
                if inner == ">>>":
                    break
                body.append(inner)
            steps[-1][1] = "\n".join(body) + "\n"
        elif line[:1] in ("=", "~", "!"):
            steps[-1][2].append((line[0], line[2:]))
        elif line.strip() and not line.startswith("#"):
            raise ValueError(line)
    return steps


def check(c, command, given, expected):
    argv = ["sh", "-c", f'kubectl() {{ command kubectl --kubeconfig "$KUBECONFIG" "$@"; }}; kubectl {command}']
    env = dict(os.environ, KUBECONFIG=os.path.join(c.data, "admin.kubeconfig"), KUBECACHEDIR=os.path.join(c.data, "cache"),
               KUBE_EDITOR="true")
    stdin = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
    r = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env, **stdin)
    out = (r.stdout + r.stderr).rstrip("\n")
    fails = any(how == "!" for how, _ in expected)
    expect((r.returncode != 0) == fails, f"status {r.returncode}: {out}")
    exact = "\n".join(text for how, text in expected if how == "=")
    if exact:
        expect(out == exact, f"printed\n{out}\nand not\n{exact}")
    for how, text in expected:
        if how in "~!":
            expect(re.search(text, out, re.M), f"printed\n{out}\nwhich does not match\n{text}")
    expect(expected, "something is expected")


def step(command, given, expected):
    def fn(c):
        try:
            check(c, command, given, expected)
        except AssertionError:
            # Controllers take a moment: what only reads is asked again.
            if command.split()[0] not in ("get", "describe", "rollout", "wait"):
                raise
            cluster.retry(lambda: check(c, command, given, expected), 8)
    return ("kubectl " + command.replace("\n", " ")[:110], fn)


with open(os.path.join(HERE, "tour.txt")) as f:
    tour = parse(f.read())
run(Control(), [("the control plane starts", lambda c: c.start())] + [step(*s) for s in tour])
