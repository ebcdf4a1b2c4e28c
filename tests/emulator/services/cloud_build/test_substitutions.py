"""Substitutions and parameter expansions, by themselves."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import BuildOptions

from gcpmlops.emulator.services.cloud_build.substitutions import Substitutions, check_keys

BUILT_IN = {"PROJECT_ID": "p1", "BUILD_ID": "b1"}


def _made(text, given=None, **options):
    values = Substitutions(BUILT_IN, given or {}, BuildOptions(**options))
    found = values.of(text)
    values.check(automapped=False)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$PROJECT_ID/${BUILD_ID}", "p1/b1"),
        ("$_A-${_A}x", "a/b-c-a/b-cx"),
        ("$$PROJECT_ID $${_A}", "$PROJECT_ID ${_A}"),
        ("$(date) $1 $lower ${lower} $ ${", "$(date) $1 $lower ${lower} $ ${"),
        ("[$BRANCH_NAME]", "[]"),
    ],
)
def test_references(text, found):
    assert _made(text, {"_A": "a/b-c"}, substitution_option="ALLOW_LOOSE") == found


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        (":2", "ature/one-TWO"), (":0:3", "fea"), (": -3", "TWO"), (":0:-4", "feature/one"), ("^", "Feature/one-TWO"),
        ("^^", "FEATURE/ONE-TWO"), (",,", "feature/one-two"), ("#*e", "ature/one-TWO"), ("##*/", "one-TWO"),
        ("%-*", "feature/one"), ("%%e*", "f"), ("/e/E", "fEature/one-TWO"), ("//e/E", "fEaturE/onE-TWO"),
        (r"//\//-", "feature-one-TWO"), ("//[a-z]", "/-TWO"), ("/#f/F", "Feature/one-TWO"),
        ("/%O/0", "feature/one-TW0"),
        (":-other", "feature/one-TWO"), (":+${_B}", "b"), ("//o/$_B", "feature/bne-TWO"),
    ],
)  # fmt: skip
def test_parameter_expansions(operation, found):
    given = {"_A": "feature/one-TWO", "_B": "b"}
    assert _made(f"${{_A{operation}}}", given, dynamic_substitutions=True, substitution_option=1) == found


def test_values_may_refer_to_others_where_that_is_asked_for():
    given = {"_IMAGE": "gcr.io/$PROJECT_ID/${_NAME}", "_NAME": "x"}
    assert _made("$_IMAGE $_NAME", given, dynamic_substitutions=True) == "gcr.io/p1/x x"
    assert _made("$_IMAGE $_NAME", given) == "gcr.io/$PROJECT_ID/${_NAME} x"


def test_a_value_is_made_once():
    given = {"_A": "$$_B ${_B}", "_B": "b"}
    assert _made("$_A", given, dynamic_substitutions=True) == "$_B b"


def test_values_that_refer_to_each_other_are_refused():
    given = {"_A": "a$_B", "_B": "b${_C:-$_A}", "_C": ""}
    with pytest.raises(exceptions.InvalidArgument, match=r"cycle in evaluating substitutions: _A -> _B -> _A"):
        _made("$_A $_B", given, dynamic_substitutions=True)


@pytest.mark.parametrize(
    ("text", "given", "says"),
    [
        ("$_MISSING", {}, 'key in the template "_MISSING" is not matched in the substitution data'),
        ("$NO_SUCH", {}, 'key in the template "NO_SUCH" is not a valid built-in substitution'),
        ("x", {"_UNUSED": "1"}, 'key "_UNUSED" in the substitution data is not matched in the template'),
    ],
)
def test_what_does_not_match_is_refused(text, given, says):
    with pytest.raises(exceptions.InvalidArgument, match=says):
        _made(text, given)


def test_loose_substitutions_let_through_all_but_unknown_built_in_ones():
    assert _made("[$_MISSING]", {"_UNUSED": "1"}, substitution_option="ALLOW_LOOSE") == "[]"
    with pytest.raises(exceptions.InvalidArgument, match="NO_SUCH"):
        _made("$NO_SUCH", substitution_option="ALLOW_LOOSE")


@pytest.mark.parametrize("key", ["LOWER_case", "PROJECT_ID", "_a", "MINE"])
def test_keys_that_users_may_not_give(key):
    with pytest.raises(exceptions.InvalidArgument, match=f'substitution key "{key}"'):
        check_keys({key: "x"})
