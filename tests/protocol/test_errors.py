"""The tree of errors: drawn as it is, every code once, statuses and close codes that mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from protocol import errors
from protocol.errors import EarshotError


def tree(base: type[EarshotError] = EarshotError) -> Iterator[type[EarshotError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from tree(kind)


ALL = sorted(set(tree()), key=lambda kind: kind.__name__)


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in ALL]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", ALL)
def test_each_has_statuses_of_its_kind(kind: type[EarshotError]) -> None:
    assert 400 <= kind.http_status < 600
    assert kind.close_code in (1009, 1011) or 4000 <= kind.close_code < 5000
    # Trying again helps only where the fault is not in what was asked.
    if kind.retryable:
        assert kind.http_status in (408, 421, 429, 503, 504, 507)
    if kind.http_status == 503:
        assert kind.retryable
    assert "code" in vars(kind), "inherits another's code"


@pytest.mark.parametrize("kind", ALL)
def test_each_says_what_it_carries(kind: type[EarshotError]) -> None:
    details = {"field": 1, "problems": [2]}
    error = kind("do this instead", details=details, retry_after_s=2.0)
    assert error.to_dict() == {"code": kind.code, "message": "do this instead", "details": details}
    assert str(error) == "do this instead"
    assert error.retry_after_s == 2.0


def test_what_is_wrong_with_fields_is_always_in_a_list() -> None:
    problem = {"field": "", "problem": "nothing to change"}
    assert errors.ValidationFailed("nothing to change").details == {"problems": [problem]}
    details = errors.ValidationFailed("no", details={"field": "name", "possible": []}).details
    assert details == {"field": "name", "possible": [], "problems": [{"field": "name", "problem": "no"}]}


def test_details_are_a_copy() -> None:
    details = {"a": 1}
    error = EarshotError("x", details=details)
    details["a"] = 2
    assert error.details == {"a": 1}
    assert EarshotError("x").details == {}


def test_the_drawn_tree_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^ {4}([│ ├└─]*)([A-Z]\w+)", line)
        if match:
            depth, name = len(match[1]), match[2]
            above = [(other, parent) for other, parent in above if other < depth]
            if above:
                drawn[name] = above[-1][1]
            above.append((depth, name))
    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in ALL}
