"""``musicu evaluate ab``, ``off-policy`` and ``interleaving``: logs of what people were shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.inputs import pairs
from musicu.cli.options import Format, Quiet, emit, row_output, say
from musicu.cli.reports import Report, check_report, provenance, write_report

if TYPE_CHECKING:
    from musicu.evaluation.ab.analyze import ABReport
    from musicu.evaluation.interleaving.analyze import InterleavingReport
    from musicu.evaluation.offpolicy.evaluate import OffPolicyReport

Alpha = Annotated[float, typer.Option(help="Error rate, between 0 and 1.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")]


@row_output
def ab(
    log: Annotated[
        Path,
        typer.Argument(help="A row a user, or several: columns user, variant, numbers, time."),
    ],
    metric: Annotated[
        list[str],
        typer.Option(help="A column, or a ratio of two: 'clicks / shown'.", metavar="METRIC"),
    ],
    control: Annotated[
        str | None,
        typer.Option(help="The variant to compare with; else 'control', else the first by name."),
    ] = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option(
            help="What the same users did before: METRIC=COLUMN.", metavar="METRIC=COLUMN"
        ),
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            help="How users were meant to be split; else evenly.", metavar="VARIANT=SHARE"
        ),
    ] = None,
    user: Annotated[str, typer.Option(help="Column of users.")] = "user",
    variant: Annotated[str, typer.Option(help="Column of variants.")] = "variant",
    time: Annotated[str | None, typer.Option(help="Column of times; else time, if there.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="This is the one look, at an end fixed beforehand.")
    ] = False,
    planned: Annotated[
        int, typer.Option(min=1, help="Users planned; fixed before the trial.")
    ] = 10_000,
    alpha: Alpha = 0.05,
    report: Report = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Analyze the log of an A/B test; verdicts hold however often one looks."""
    before = dict(pairs(covariate, "--covariate", "METRIC=COLUMN"))
    shares = {}
    for name, text in pairs(share, "--share", "VARIANT=SHARE"):
        try:
            shares[name] = float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no number", param_hint="--share") from None
    _check(alpha)
    from musicu.evaluation.ab.analyze import analyze_ab
    from musicu.evaluation.ab.log import read_ab_log
    from musicu.reports.ab_page import ab_page

    check_report(report)
    found = analyze_ab(
        read_ab_log(log, user=user, variant=variant, time=time),
        metric,
        control=control,
        covariates=before,
        shares=shares or None,
        sequential=not once,
        planned=planned,
        alpha=alpha,
    )
    shown = "variant metric control treatment effect low high p_holm anytime_p_holm verdict"
    _show(found, output, shown)
    for note in found.notes:
        say(note, quiet=quiet)
    write_report(report, lambda: ab_page(found, provenance()))


@row_output
def off_policy(
    log: Annotated[
        Path,
        typer.Argument(help="A row a decision: columns reward, propensity, user, policies."),
    ],
    policy: Annotated[
        list[str],
        typer.Option(
            help="A policy, and the column of its chances of what was shown.",
            metavar="NAME=COLUMN",
        ),
    ],
    reward: Annotated[str, typer.Option(help="Column of what came of it.")] = "reward",
    propensity: Annotated[
        str, typer.Option(help="Column of the chances with which it was shown.")
    ] = "propensity",
    user: Annotated[str | None, typer.Option(help="Column of users; else user, if there.")] = None,
    predicted: Annotated[
        str | None,
        typer.Option(help="Column of what a model expects of what was shown.", metavar="COLUMN"),
    ] = None,
    expected: Annotated[
        list[str] | None,
        typer.Option(help="Column of what it expects of a policy.", metavar="NAME=COLUMN"),
    ] = None,
    clip: Annotated[float | None, typer.Option(min=1, help="Cut larger weights to this.")] = None,
    alpha: Alpha = 0.05,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap over users.")] = 2000,
    seed: Seed = 0,
    report: Report = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Tell from a log with propensities what other policies would have brought."""
    policies = dict(pairs(policy, "--policy", "NAME=COLUMN"))
    models = dict(pairs(expected, "--expected", "NAME=COLUMN"))
    if bool(models) != (predicted is not None):
        raise typer.BadParameter("--predicted and --expected need each other")
    if stray := sorted(set(models) ^ set(policies)) if models else []:
        raise typer.BadParameter(f"{stray[0]!r} is in one only", param_hint="--policy, --expected")
    _check(alpha)
    from musicu.evaluation.offpolicy.evaluate import evaluate_policies
    from musicu.reports.online_pages import off_policy_page

    check_report(report)
    found = evaluate_policies(
        log,
        policies,
        clip=clip,
        alpha=alpha,
        draws=draws,
        seed=seed,
        reward=reward,
        propensity=propensity,
        user=user,
        predicted=predicted,
        expected=models,
    )
    _show(found, output, "policy estimator value low high difference p_holm verdict effective")
    say(
        f"{found.decisions:,} decisions of {found.users:,} users; the log itself has "
        f"{found.logged:.3f} [{found.logged_low:.3f}, {found.logged_high:.3f}]",
        quiet=quiet,
    )
    for note in found.notes:
        say(note, quiet=quiet)
    write_report(report, lambda: off_policy_page(found, provenance()))


@row_output
def interleaving(
    log: Annotated[
        Path,
        typer.Argument(help="A row an item shown: columns list, user, team, clicked, rank."),
    ],
    control: Annotated[
        str | None,
        typer.Option(help="The ranking to compare with; else 'control', else the first by name."),
    ] = None,
    list_id: Annotated[str, typer.Option("--list", help="Column of lists.")] = "list",
    user: Annotated[str, typer.Option(help="Column of users.")] = "user",
    team: Annotated[
        str, typer.Option(help="Column of the ranking that chose the item; empty is nobody.")
    ] = "team",
    credit: Annotated[
        str, typer.Option(help="Column of what it got: clicks, plays, seconds.")
    ] = "clicked",
    rank: Annotated[str | None, typer.Option(help="Column of places; else rank, if there.")] = None,
    alpha: Alpha = 0.05,
    seed: Seed = 0,
    report: Report = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Tell from interleaved lists which of two rankings people prefer."""
    _check(alpha)
    from musicu.evaluation.interleaving.analyze import analyze_interleaving
    from musicu.reports.online_pages import interleaving_page

    check_report(report)
    found = analyze_interleaving(
        log,
        control=control,
        alpha=alpha,
        seed=seed,
        list_id=list_id,
        user=user,
        team=team,
        credit=credit,
        rank=rank,
    )
    _show(found, output, "ranking measure control treatment difference low high p_holm verdict")
    say(
        f"{found.lists:,} lists of {found.users:,} users: {found.ranking} won {found.wins:,}, "
        f"{found.control} {found.losses:,}, {found.ties:,} ties",
        quiet=quiet,
    )
    for note in found.notes:
        say(note, quiet=quiet)
    write_report(report, lambda: interleaving_page(found, provenance()))


def _show(
    found: "ABReport | OffPolicyReport | InterleavingReport", output: Format, shown: str
) -> None:
    if output in (Format.JSON, Format.NL):
        emit([found.to_dict()], output)
    else:
        emit(found.rows(), output, table=shown.split())


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise typer.BadParameter("a number between 0 and 1 is needed", param_hint="--alpha")
