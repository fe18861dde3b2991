"""Runs the checks that apply, each after those it needs; no check's fault leaves it."""

from __future__ import annotations

from collections.abc import Iterable

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.registry import all_checks
from nvdiffrec_tops.job import engines

WAITS = "waits for a cure of:"


def examined(context: Context, only: Iterable[str] | None = None) -> list[Finding]:
    """The findings of all checks that apply to ``context``, in the registry's order.

    ``only`` names the checks that are wanted.
    """
    known = engines.names()
    if context.engine not in known:
        evidence = f"there is no engine {context.engine!r}"
        return [Finding("engine", "error", "Engine", evidence, f"choose {' or '.join(known)}")]
    wanted = None if only is None else set(only)
    checks = {check.id: check for check in all_checks() if check.concerns(context.trainer)}
    results: dict[str, list[Finding]] = {}
    for check in checks.values():
        if wanted is None or check.id in wanted:
            _result(check, context, checks, results)
    return [one for id in checks if wanted is None or id in wanted for one in results.get(id, [])]


def _result(
    check: Check,
    context: Context,
    checks: dict[str, Check],
    results: dict[str, list[Finding]],
) -> list[Finding]:
    if check.id in results:
        return results[check.id]
    results[check.id] = []  # checks that need one another must not run for ever
    if context.quick and not check.quick:
        return results[check.id]
    for needed in check.needs:
        before = _result(checks[needed], context, checks, results) if needed in checks else []
        failed = next((one for one in before if one.severity in ("error", "skipped")), None)
        if failed is not None:
            # What was skipped tells why; that holds here as well.
            known = failed.severity == "skipped"
            results[check.id] = check.skipped(
                failed.evidence if known else f"{WAITS} {failed.title}"
            )
            return results[check.id]
    try:
        results[check.id] = check.run(context)
    except Exception as error:  # a check must never break the examination
        results[check.id] = check.skipped(
            f"the check itself failed: {type(error).__name__}: {error}"
        )
    return results[check.id]


def repaired(context: Context, only: Iterable[str] | None = None) -> list[str]:
    """Mend what can be mended safely; sentences of what was done."""
    checks = {check.id: check for check in all_checks()}
    done: list[str] = []
    for id in dict.fromkeys(one.check for one in examined(context, only) if one.repair):
        repair = checks[id].repair
        if repair is None:
            continue
        try:
            done += repair(context)
        except Exception as error:
            done.append(f"{checks[id].title}: not mended ({type(error).__name__}: {error})")
    return done
