# SPDX-License-Identifier: MIT
"""Port groups of a model, from the pressure that llvm-mca spreads evenly over the ports of each group."""
import itertools
from fractions import Fraction


def pressure_of(region):
    """Cycles on each resource, as {resource: fraction}."""
    result = {}
    for entry in region["ResourcePressureView"]["ResourcePressureInfo"]:
        if entry["InstructionIndex"] == 0 and entry["ResourceUsage"] > 0:
            result[entry["ResourceIndex"]] = Fraction(entry["ResourceUsage"]).limit_denominator(840)
    return result


def groups_of(pressures):
    """Sets of resources that share one micro-op evenly somewhere, the largest first."""
    found = set()
    for pressure in pressures:
        for value in set(pressure.values()):
            level = frozenset(port for port, usage in pressure.items() if usage == value)
            if value == Fraction(1, len(level)):
                found.add(level)
        for port in pressure:
            found.add(frozenset([port]))
    return sorted(found, key=lambda group: (-len(group), sorted(group)))


def split(pressure, groups, most_steps=2000):
    """[(group, cycles)] that add up to the pressure, cycles whole; None if there is no such, or it takes too long."""
    fitting = [group for group in groups if group <= pressure.keys()]
    steps = 0

    def search(left, at):
        nonlocal steps
        steps += 1
        if steps > most_steps:
            return None
        if not left:
            return []
        if at == len(fitting):
            return None
        group = fitting[at]
        most = min((left.get(port, Fraction(0)) * len(group)).__floor__() for port in group)
        for count in range(most, -1, -1):
            rest = dict(left)
            for port in group:
                if count:
                    rest[port] -= Fraction(count, len(group))
            rest = {port: usage for port, usage in rest.items() if usage}
            # A port that no later group holds must be done.
            if rest and not rest.keys() <= set().union(*fitting[at + 1:]):
                continue
            found = search(rest, at + 1)
            if found is not None:
                return ([(group, count)] if count else []) + found
        return None

    return search(dict(pressure), 0)


def unions_of(groups):
    """The sets of ports that can be a bottleneck: connected unions of groups."""
    unions = set(groups)
    while True:
        more = {a | b for a, b in itertools.product(unions, groups) if a & b} - unions
        if not more:
            return sorted(unions, key=lambda group: (len(group), sorted(group)))
        unions |= more
