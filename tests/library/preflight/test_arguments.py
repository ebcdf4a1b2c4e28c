"""Arguments that the script's parser refuses; parsers that can't be rebuilt refuse nothing."""

# ruff: noqa: E501 - programs are given in one line

import pytest

IMAGE = "sklearn-cpu.1-6"
PLAIN = """
import argparse

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", "-r", type=int, default=5, help="how many")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--table", required=True)
    parser.add_argument("--mode", choices=["fast", "slow"], default="fast")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--tags", action="append")
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--shuffle", action=argparse.BooleanOptionalAction)
    group = parser.add_argument_group("more")
    group.add_argument("--depth", type=int)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--cpu", action="store_true")
    either.add_argument("--gpu", action="store_true")
    options = parser.parse_args()
    print(options)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    "args",
    [
        {"table": "p.d.t"},
        {"table": "t", "rows": 7, "rate": 1e-3, "mode": "slow", "verbose": True, "tags": ["a", "b"], "depth": 2},
        {"table": "t", "verbose": False, "rate": None, "cpu": True},
        ["--table", "t", "--sizes", "1", "2", "--no-shuffle", "-r", "3", "-r5"],
        ["--tab=t", "--rate=-1.5"],
    ],
)
def test_good(found, args) -> None:
    assert found(PLAIN, image=IMAGE, args=args) == []


@pytest.mark.parametrize(
    ("args", "messages"),
    [
        ({}, ["the following arguments are required: --table"]),
        (None, ["the following arguments are required: --table"]),
        ({"table": "t", "rows": "many"}, ["argument --rows/-r: invalid int value: 'many'"]),
        ({"table": "t", "mode": "quick"}, ["argument --mode: invalid choice: 'quick'"]),
        ({"table": "t", "rowz": 5, "depht": 1}, ["unrecognized arguments: --rowz=5", "unrecognized arguments: --depht=1"]),
        ({"table": "t", "verbose": "yes"}, ["argument --verbose: ignored explicit argument 'yes'"]),
        (["--table"], ["argument --table: expected one argument"]),
        (["--table=t", "stray"], ["unrecognized arguments: stray"]),
        ({"table": "t", "cpu": True, "gpu": True}, ["argument --gpu: not allowed with argument --cpu"]),
        ({"rows": "x", "rate": "y", "what": 1}, ["unrecognized arguments: --what=1", "invalid int", "invalid float", "required"]),
        ({"table": "t", "sizes": [1, 2]}, ["--sizes is given 2 times"]),
    ],
)  # fmt: skip
def test_refused(found, args, messages: list[str]) -> None:
    problems = found(PLAIN, image=IMAGE, args=args)
    assert len(problems) == len(messages), problems
    for problem, message in zip(problems, messages, strict=True):
        assert problem.kind == "argument"
        assert message in problem.what


def test_the_line_of_the_option_and_the_nearest_one_are_named(found) -> None:
    unknown, wrong, missing = found(PLAIN, image=IMAGE, args={"rowz": 1, "mode": "x"})
    assert unknown.fix.startswith("Did you mean --rows?")
    assert unknown.where.endswith("train.py:5")
    assert wrong.where.endswith("train.py:9")
    assert missing.where.endswith("train.py:8")


ROWS = '.add_argument("--rows", type=int, required=True)\n'
REBUILT = {
    "at the top": f"import argparse\np = argparse.ArgumentParser()\np{ROWS}a = p.parse_args()\n",
    "from import": f"from argparse import ArgumentParser\np = ArgumentParser('x')\np{ROWS}a = p.parse_args()\n",
    "parsed in a function": f"import argparse\np = argparse.ArgumentParser()\np{ROWS}def main():\n    return p.parse_args()\nmain()\n",
    "made by a function": f"import argparse\ndef make():\n    p = argparse.ArgumentParser()\n    p{ROWS}    return p\na = make().parse_args()\n",
    "kept": f"import argparse\ndef make():\n    p = argparse.ArgumentParser()\n    p{ROWS}    return p\nq = make()\na = q.parse_args()\n",
    "argv": f"import argparse, sys\ndef main(argv=None):\n    p = argparse.ArgumentParser()\n    p{ROWS}    p.parse_args(argv)\nmain(sys.argv[1:])\n",
    "constants": "import argparse\nNAMES = ['a', 'b']\np = argparse.ArgumentParser()\np.add_argument('--rows', choices=NAMES, required=True)\np.parse_args()\n",
    "range": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--rows', type=int, choices=range(1, 4), required=True)\np.parse_args()\n",
}  # fmt: skip


@pytest.mark.parametrize("shape", REBUILT)
def test_parsers_of_many_shapes(found, shape: str) -> None:
    assert len(found(REBUILT[shape], image=IMAGE, args={"rows": "x"})) == 1
    assert len(found(REBUILT[shape], image=IMAGE, args={})) == 1
    good = "a" if shape == "constants" else 2
    assert found(REBUILT[shape], image=IMAGE, args={"rows": good}) == []


HEAD = "import argparse, os, sys\np = argparse.ArgumentParser()\n"
LENIENT = {
    "no parser": "import sys\nprint(sys.argv)\n",
    "known args": HEAD + "p.add_argument('--a')\nargs, rest = p.parse_known_args()\n",
    "names in a loop": HEAD + "for n in ('x', 'other'):\n    p.add_argument('--' + n)\np.parse_args()\n",
    "handed on": HEAD + "import lib\nlib.add_options(p)\np.parse_args()\n",
    "handed on by name": HEAD + "from sklearn import x\nx.f(parser=p)\np.parse_args()\n",
    "subparsers": HEAD + "s = p.add_subparsers()\ns.add_parser('x')\np.parse_args()\n",
    "parents": "import argparse\nfrom base import b\np = argparse.ArgumentParser(parents=[b])\np.parse_args()\n",
    "a class of its own": "import argparse\nclass P(argparse.ArgumentParser):\n    pass\np = P()\np.parse_args()\n",
    "two parsers": HEAD + "q = argparse.ArgumentParser()\nq.add_argument('--other')\np.parse_args([])\nq.parse_args()\n",
    "never parsed": HEAD + "p.add_argument('--a', required=True)\n",
    "parses nothing": HEAD + "p.add_argument('--a', required=True)\np.parse_args([])\n",
    "changes argv": HEAD + "sys.argv = ['x']\np.parse_args()\n",
    "only sometimes required": HEAD + "p.add_argument('--other', required='X' not in os.environ)\np.parse_args()\n",
    "if": HEAD + "if sys.platform == 'x':\n    p.add_argument('--a', required=True)\np.add_argument('--other')\np.parse_args()\n",
    "settings spread": HEAD + "p.add_argument('--other', **{})\np.parse_args()\n",
    "own action": HEAD + "class A(argparse.Action):\n    pass\np.add_argument('--a', action=A)\np.parse_args()\n",
    "own type": HEAD + "p.add_argument('--other', type=lambda s: [1], choices=[[1]])\np.parse_args()\n",
    "unknown choices": HEAD + "from lib import KINDS\np.add_argument('--other', choices=KINDS)\np.parse_args()\n",
    "stored elsewhere": HEAD + "holder = [p]\nholder[0].add_argument('--other')\np.parse_args()\n",
    "fire": "import fire\ndef main(other): ...\nfire.Fire(main)\n",
    "in a class": (
        "import argparse\nclass T:\n    def __init__(self):\n        self.p = argparse.ArgumentParser()\n"
        "        self.add()\n    def add(self):\n        self.p.add_argument('--other')\n        self.p.parse_args()\nT()\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", LENIENT)
def test_what_cannot_be_told_is_no_problem(found, shape: str) -> None:
    problems = found(LENIENT[shape], image="gcr.io/mine/image", args={"other": "x"})
    assert problems == []


def test_values_that_the_service_fills_in(found) -> None:
    assert found(PLAIN, image=IMAGE, args={"table": "t", "rows": "$(ROWS)"}) == []


def test_parser_in_another_module(nowhere, files) -> None:
    folder = files(**{
        "trainer/__init__.py": "",
        "trainer/task.py": "from trainer.options import options\nprint(options())\n",
        "trainer/options.py": f"import argparse\ndef options():\n    p = argparse.ArgumentParser()\n    p{ROWS}    return p.parse_args()\n",
    })  # fmt: skip
    (problem,) = nowhere.training.preflight(folder / "trainer", image=IMAGE, args={"rows": "x"})
    assert problem.where.endswith("trainer/options.py:4")


CLICK = """
import click

@click.command()
@click.argument("table")
@click.option("--rows", "-r", type=int, required=True, help="how many")
@click.option("--mode", type=click.Choice(["a", "b"]), default="a")
@click.option("--fast/--slow", default=False)
def main(table, rows, mode, fast):
    pass

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["t", "--rows=5", "--mode=b", "--slow"], ""),
        (["t"], "Missing option '--rows'"),
        (["t", "--rows=x"], "'x' is not a valid integer"),
        (["t", "--rows=5", "--mode=c"], "'c' is not one of 'a', 'b'"),
        (["--rows=5"], "Missing argument 'TABLE'"),
        (["t", "--row=5"], "No such option"),
    ],
)
def test_click(found, args: list[str], message: str) -> None:
    problems = found(CLICK, image=IMAGE, args=args, requirements=["click"])
    assert len(problems) == bool(message)
    assert not message or message in problems[0].what


@pytest.mark.parametrize("change", ["@click.pass_context\n", "@other\n", "@click.option(NAME)\n"])
def test_click_that_cannot_be_told(found, change: str) -> None:
    code = CLICK.replace("@click.argument", f"{change}@click.argument")
    assert found(code, image=IMAGE, args=["--what=1"], requirements=["click"]) == []
