"""`kumiai simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .availability import show_availability
from .growth import grow
from .interrupts import first_ctrl_c_asks
from .simulate_estate import simulate_estate
from .simulate_trace import replay
from .terminal import INTERRUPTED, RefusedError, emit, emit_text, progress_bar, tell

if TYPE_CHECKING:
    from capacity.simulation.engines import EngineName
    from capacity.simulation.settings import Settings
    from layout.simulation_records import PlanSimulation

ENGINES: dict[str, EngineName] = {"fast": "fast", "simpy": "simpy"}
DISTURBANCES = {
    "work": "vary_work",
    "late-start": "late_start",
    "failed-run": "failed_run",
    "host-failure": "host_failure",
    "site-loss": "site_loss",
    "emergency": "emergency",
}
"""Words of `--disturb`, and the settings that they switch on."""


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("simulate")(simulate)


def simulate(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR|ESTATE", help="計画フォルダー、または構成ファイル (YAML)")
    ] = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="トレースのフォルダー")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="トレース、または構成ファイルの模擬の結果")
    ] = None,
    week: Annotated[str | None, typer.Option(help="週に含まれる日付 (YYYY-MM-DD)、または tightest（既定）")] = None,
    night: Annotated[str | None, typer.Option(help="夜が始まる日付、または busiest（最も混む夜）")] = None,
    engine: Annotated[str, typer.Option(help="fast（高速）か simpy（参照実装）")] = "fast",
    replications: Annotated[str | None, typer.Option(metavar="N", help="反復回数。--until があれば最低の回数")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="95 % 区間の半幅がこの秒数以下になるまで繰り返す")
    ] = None,
    online: Annotated[str | None, typer.Option(help="オンライン処理を先に処理 (first)、分け合う (shares)")] = None,
    load: Annotated[str | None, typer.Option(metavar="FACTOR", help="処理量の倍率")] = None,
    disturb: Annotated[
        str | None,
        typer.Option(metavar="LIST", help=f"乱すもの：{'、'.join(DISTURBANCES)} をコンマで並べる。all か none も可"),
    ] = None,
    fail_host: Annotated[str | None, typer.Option(metavar="HOST[@TIME]", help="このホストが停止したとき")] = None,
    lose_site: Annotated[str | None, typer.Option(metavar="SITE[@TIME]", help="この拠点を失ったとき")] = None,
    further: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="その他の設定（docs/simulation-statistics.md）"),
    ] = None,
    growth: Annotated[
        int | None, typer.Option(metavar="YEARS", help="負荷が年々伸びるとき、この年数のうちいつまで収まるか")
    ] = None,
    availability: Annotated[
        int | None, typer.Option(metavar="YEARS", help="ホストが故障する一年をこの回数だけ繰り返した稼働率と復旧時間")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="乱数の種")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256, help="並列の数（結果は変わらない）")] = 2,
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="構成ファイルやトレースの模擬に使うメモリの上限 (例 4GiB)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """最も混む週（または夜）を乱しながら繰り返し模擬する。または他者のトレースを再生する。"""
    if engine not in ENGINES:
        raise RefusedError(f"--engine: 知らない計算方法です（{engine}）。fast か simpy を指定してください")
    if trace is not None or (directory is not None and directory.is_file()):
        of_plans = {"--week": week, "--night": night, "--replications": replications, "--until": until,
                    "--online": online, "--load": load, "--disturb": disturb, "--fail-host": fail_host,
                    "--lose-site": lose_site, "--set": further or None, "--growth": growth,
                    "--availability": availability}  # fmt: skip
        given = [option for option, word in of_plans.items() if word is not None]
        if given:
            raise RefusedError(f"{'、'.join(given)} は計画フォルダーを模擬するときだけ使います")
    if directory is not None and directory.is_file() and trace is None:
        simulate_estate(directory, output, memory_limit, as_json, ENGINES[engine])
        return
    if trace is not None and directory is None:
        replay(trace, output, memory_limit, ENGINES[engine], as_json)
        return
    if memory_limit is not None:
        raise RefusedError("--memory-limit は構成ファイル (YAML) かトレースを模擬するときだけ使います")
    if directory is None or trace is not None:
        raise RefusedError("計画フォルダー DIR か --trace DIR のどちらか一方を指定してください")
    if output is not None:
        raise RefusedError("-o OUT は --trace のときだけ使います。計画の結果はそのフォルダーに入ります")
    if week is not None and night is not None:
        raise RefusedError("--week と --night はどちらか一方だけを指定してください")
    _refuse_empty(
        {"--night": night, "--until": until, "--online": online, "--fail-host": fail_host, "--lose-site": lose_site}
    )
    options = {
        "week": ("--week", week),
        "night": ("--night", night),
        "engine": ("--engine", engine),
        "replications": ("--replications", replications),
        "until_half_width_s": ("--until", until),
        "online": ("--online", online),
        "load_factor": ("--load", load),
        "seed": ("--seed", str(seed)),
    }
    words = {field: (option, word) for field, (option, word) in options.items() if word is not None}
    words |= disturbed(disturb)
    words |= _scenario("--fail-host", fail_host, "failed_host") | _scenario("--lose-site", lose_site, "lost_site")
    words |= _further(further or [])
    _answered(directory, settings_of(words), growth, availability, workers, as_json=as_json)


def _answered(
    directory: Path, settings: Settings, growth: int | None, availability: int | None, workers: int, *, as_json: bool
) -> None:
    if growth is not None and availability is not None:
        raise RefusedError("--growth と --availability はどちらか一方だけを指定してください")
    if growth is not None:
        grow(directory, settings, growth, as_json=as_json)
    elif availability is not None:
        show_availability(directory, settings, availability, as_json=as_json)
    else:
        _simulated(directory, settings, workers, as_json=as_json)


def _refuse_empty(words: dict[str, str | None]) -> None:
    """An empty word would say "as the estate file says": somebody's shell variable was not set."""
    for option, word in words.items():
        if word is not None and not word.partition("@")[0].strip():
            raise RefusedError(f"{option}: 値が空です。値を書くか、{option} を外してください")


def disturbed(disturb: str | None) -> dict[str, tuple[str, str]]:
    """The settings of `--disturb`: each with its option's name, as text. Raises RefusedError for unknown words."""
    if disturb is None:
        return {}
    chosen = set(DISTURBANCES) if disturb == "all" else {word.strip() for word in disturb.split(",")} - {"none"}
    unknown = sorted(chosen - set(DISTURBANCES))
    if unknown:
        raise RefusedError(
            f"--disturb: 知らないものです（{'、'.join(unknown)}）。"
            f"使えるもの: {'、'.join(DISTURBANCES)}、all、none（コンマで並べる）"
        )
    return {field: ("--disturb", "true" if word in chosen else "false") for word, field in DISTURBANCES.items()}


def _further(pairs: list[str]) -> dict[str, tuple[str, str]]:
    """The settings of `--set`."""
    words = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise RefusedError(f"--set: KEY=VALUE の形で書いてください（{pair}）")
        words[key] = (f"--set {key}", value)
    return words


def _scenario(option: str, word: str | None, field: str) -> dict[str, tuple[str, str]]:
    """`HOST@TIME` as two settings."""
    if word is None:
        return {}
    name, at, moment = word.partition("@")
    return {field: (option, name), **({f"{field}_at": (option, moment)} if at else {})}


def settings_of(words: dict[str, tuple[str, str]]) -> Settings:
    """Settings from texts, by field with the option that gave it. Raises RefusedError with every mistake."""
    from capacity.simulation.settings import SettingsError, from_words

    try:
        return from_words(
            {field: word for field, (_, word) in words.items()}, {field: option for field, (option, _) in words.items()}
        )
    except SettingsError as error:
        raise RefusedError(*error.lines) from None


def _simulated(directory: Path, settings: Settings, workers: int, *, as_json: bool) -> None:
    from capacity.simulation import study
    from layout import folder

    plan = folder.read_planned(directory)
    with progress_bar() as progress, first_ctrl_c_asks() as stop:
        try:
            result = study.simulate_plan(plan, settings, progress=progress, workers=workers, stop=stop)
        except study.NothingFinishedError:
            raise RefusedError("中断しました。終わった反復はありません。", exit_code=INTERRUPTED) from None
        study.write(plan, result)
    if result.interrupted:
        tell(f"中断しました。終わった {result.replications:,} 回の結果を残しました。")
    if as_json:
        emit_text(result.model_dump_json(indent=1))
    else:
        _emit(result)


def _emit(result: PlanSimulation) -> None:
    from reports import simulation_text

    for line in simulation_text.lines(result):
        emit(line)
