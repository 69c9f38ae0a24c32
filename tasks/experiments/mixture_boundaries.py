"""Boundaries that a martingale crosses with probability α at most, whatever its length.

Howard, Ramdas, McAuliffe & Sekhon (2021), *Time-uniform, nonparametric, nonasymptotic confidence sequences*.
`v` is intrinsic time (accumulated variance), `s` the accumulated deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, lgamma, log, log1p, sqrt

MAXIMUM_BRACKET = 1e12
EDGE = 1e-9


def normal_precision(v_opt: float, alpha: float) -> float:
    """ρ that makes the two-sided normal mixture tightest at `v_opt`."""
    return v_opt / (2 * log(1 / alpha) + log1p(2 * log(1 / alpha)))


def normal_log_mixture(s: float, v: float, rho: float) -> float:
    """Logarithm of the two-sided normal mixture supermartingale."""
    return 0.5 * log(rho / (v + rho)) + s * s / (2 * (v + rho))


def normal_bound(v: float, alpha: float, rho: float) -> float:
    """Two-sided bound on |s| at time v."""
    return sqrt((v + rho) * (log1p(v / rho) + 2 * log(1 / alpha)))


def one_sided_normal_log_mixture(s: float, v: float, rho: float) -> float:
    """Logarithm of the half-normal mixture; take ρ at 2α."""
    from scipy.special import log_ndtr

    return 0.5 * log(4 * rho / (v + rho)) + s * s / (2 * (v + rho)) + float(log_ndtr(s / sqrt(v + rho)))


def one_sided_normal_bound(v: float, alpha: float, rho: float) -> float:
    """Upper bound on s at time v."""
    return crossing(lambda s: one_sided_normal_log_mixture(s, v, rho), log(1 / alpha))


def beta_binomial_precision(v_opt: float, g: float, h: float, alpha: float) -> float:
    """ρ of the beta-binomial mixture with increments in [−g, h], tightest at `v_opt`."""
    return max(normal_precision(v_opt, alpha) - g * h, 1e-3 * g * h)


def beta_binomial_log_mixture(s: float, v: float, rho: float, g: float, h: float) -> float:
    """Logarithm of the likelihood ratio of a Beta mixture, for increments of +h or −g with mean zero."""
    successes, failures = (v / h + s) / (g + h), (v / g - s) / (g + h)
    if failures < 0:
        return inf
    a, b = rho / (h * (g + h)), rho / (g * (g + h))
    null = successes * log(g / (g + h)) + failures * log(h / (g + h))
    return _log_beta(a + successes, b + failures) - _log_beta(a, b) - null


def beta_binomial_bound(v: float, alpha: float, rho: float, g: float, h: float) -> float:
    """Upper bound on s at time v."""
    return crossing(lambda s: beta_binomial_log_mixture(s, v, rho, g, h), log(1 / alpha))


def stitched_bound(v: float, alpha: float, v_min: float, c: float, s: float = 1.4, eta: float = 2.0) -> float:
    """Polynomial stitching: the law of the iterated logarithm at finite v, sub-gamma with scale c."""
    from scipy.special import zeta

    v = max(v, v_min)
    k1, k2 = (eta**0.25 + eta**-0.25) / sqrt(2), (sqrt(eta) + 1) / 2
    level = s * log(log(eta * v / v_min)) + log(float(zeta(s)) / (alpha * log(eta) ** s))
    return sqrt(k1 * k1 * v * level + (k2 * c * level) ** 2) + k2 * c * level


def crossing(rising: Callable[[float], float], level: float) -> float:
    """Where a rising function reaches a level, by bisection."""
    low, high = 0.0, 1.0
    while rising(high) < level and high < MAXIMUM_BRACKET:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return (low + high) / 2


def bernoulli_interval(successes: int, n: int, alpha: float, n_opt: float) -> tuple[float, float]:
    """Time-uniform interval of a probability: those p whose beta-binomial mixture stays below 1/α."""

    def evidence(p: float) -> float:
        v, v_opt = n * p * (1 - p), n_opt * p * (1 - p)
        rho = beta_binomial_precision(v_opt, p, 1 - p, alpha)
        return beta_binomial_log_mixture(successes - n * p, v, rho, p, 1 - p) - log(1 / alpha)

    middle = min(max(successes / n, EDGE), 1 - EDGE)
    return _edge(evidence, EDGE, middle, 0.0), _edge(evidence, 1 - EDGE, middle, 1.0)


def _edge(evidence: Callable[[float], float], outer: float, inner: float, limit: float) -> float:
    """Where evidence against p turns to none, between an outer and an inner p; the limit where none is against."""
    if evidence(outer) < 0:
        return limit
    for _ in range(100):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if evidence(middle) > 0 else (outer, middle)
    return inner


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
