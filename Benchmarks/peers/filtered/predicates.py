"""The filters of the comparison, as a value that each library's own form is made from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    field: str
    operator: str  # =, >= or <
    value: object


@dataclass(frozen=True)
class Either:
    parts: tuple


@dataclass(frozen=True)
class Both:
    parts: tuple


def equal(field, value):
    return Comparison(field, "=", value)


def at_least(field, value):
    return Comparison(field, ">=", value)


# About 50, 10, 1 and 0.1 of a hundred of make_minilm.py's rows. A section gathers what is alike, so a query lies either amid the
# matching rows or far from all of them, which is what breaks searches that only look around the query; sizes have nothing to do
# with meaning, so there every query finds matches nearby.
PREDICATES = {
    "half": at_least("installed_size", 221),
    "tenth": equal("section", "perl"),
    "tenth-size": at_least("installed_size", 6_566),
    "hundredth": equal("section", "lisp"),
    "hundredth-size": at_least("installed_size", 101_295),
    "thousandth": equal("section", "xfce"),
    "disjunction": Either((equal("section", "games"), Both((equal("section", "science"), at_least("installed_size", 1_000))))),
}
FIELDS = {"section": str, "installed_size": int}


def sql(predicate):
    """As Needletail, LanceDB and Zvec read it."""
    if isinstance(predicate, Comparison):
        value = f"'{predicate.value}'" if isinstance(predicate.value, str) else predicate.value
        return f"{predicate.field} {predicate.operator} {value}"
    word = " OR " if isinstance(predicate, Either) else " AND "
    return word.join(sql(part) if isinstance(part, Comparison) else f"({sql(part)})" for part in predicate.parts)


def matching(predicate, columns):
    """Whether each row matches."""
    if isinstance(predicate, Comparison):
        column = columns[predicate.field]
        return {"=": np.equal, ">=": np.greater_equal, "<": np.less}[predicate.operator](column, predicate.value)
    parts = [matching(part, columns) for part in predicate.parts]
    return np.logical_or.reduce(parts) if isinstance(predicate, Either) else np.logical_and.reduce(parts)
