"""Commands about devices: a kit for them, what they answer, whether Arm's app runs a bundle, whether a WAV is the model's."""

from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import (
    AsJson,
    Draws,
    ModelDir,
    NoCache,
    print_peak,
    show_report,
    split_names,
    user_store,
    wide_console,
)
from reference.command import MOST_THREADS, Force, thread_counts
from reference.command_line import print_json
from reference.progress import show_progress, show_table, tell
from reference.spec.errors import EXIT_OK, EXIT_REFUSE, InputError
from reference.spec.files import check_filled
from reference.spec.noise import MOST_SEED
from reference.spec.sampling.scale import INIT_LEVEL

if TYPE_CHECKING:
    from parity.device.contract import Contract
    from parity.device.verify import Answer


def pack_command(
    out: Annotated[Path, typer.Option(help="Folder to write: the kit.")],
    bundle: Annotated[list[Path], typer.Option(help="LiteRT bundle to ask a device about; repeatable.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    variants: Annotated[str | None, typer.Option(help="Variants to ask, comma-separated; all if left out.")] = None,
    cases: Annotated[str | None, typer.Option(help="Cases to ask, comma-separated; all if left out.")] = None,
    threads: Annotated[
        str, typer.Option(help="Numbers of CPU threads on the device, comma-separated; answers are judged with the first.")
    ] = "1,2",
    rounds: Annotated[int, typer.Option(min=0, help="Rounds in which stages are timed on the device; 0 times nothing.")] = 5,
    no_models: Annotated[
        bool, typer.Option("--no-models", help="Leave the bundles out; 'record.pyz --models DIR' finds them by name.")
    ] = False,
    draws: Draws = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of what is drawn.")] = 0,
    no_cache: NoCache = False,
    force: Force = False,
) -> None:
    """Write a kit for a device, where 'python kit/record.pyz --out answers/' needs numpy and ai-edge-litert alone."""
    from parity.device.pack import PackOptions, pack
    from parity.measure.sweep import Sweep

    console = wide_console()
    options = PackOptions(
        model=model, bundles=bundle, out=out, variants=split_names(variants), cases=split_names(cases),
        threads=tuple(dict.fromkeys(thread_counts(threads))), rounds=rounds, models=not no_models, force=force,
        sweep=Sweep(draws=draws, seed=seed),
    )  # fmt: skip
    with show_progress(console) as say:
        packed = pack(options, user_store(no_cache), say)
    console.print(f"wrote {out}: {packed}", highlight=False, soft_wrap=True)
    print_peak(console)


def record_android_command(
    kit: Annotated[Path, typer.Option(help="The kit, as 'parity pack' wrote it.")],
    tool: Annotated[Path, typer.Option(help="LiteRT's benchmark_model for the phone, a file here.")],
    out: Annotated[Path, typer.Option(help="Folder for the answers; what was begun there goes on.")],
    models: Annotated[
        Path | None, typer.Option(help="Folder with the kit's bundles by name, where it was packed with --no-models.")
    ] = None,
    adb: Annotated[str, typer.Option(help="Android's adb.")] = "adb",
    serial: Annotated[str | None, typer.Option(help="Which phone, where 'adb devices' lists several.")] = None,
) -> None:
    """Ask a kit on a phone without Python, through adb; exit codes and answers are those of record.pyz. Nothing is timed."""
    from parity.device.android import Phone
    from parity.device.record.kit import read_kit
    from parity.device.record.main import recorded
    from parity.device.record_android import on_phone, untimed

    check_filled(out, [kit, tool, models])
    asked = read_kit(kit, models)
    if not tool.is_file():
        raise InputError(f"{tool}: no such file; expected LiteRT's benchmark_model, built or downloaded for the phone")
    asked.require_intact()
    raise typer.Exit(recorded(untimed(asked), out, on_phone(Phone(tool=tool, adb=adb, serial=serial))))


def judge_command(
    answers: Annotated[list[Path], typer.Option(help="Folder that record.pyz wrote; repeatable, for devices side by side.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    bundle: Annotated[
        list[Path] | None, typer.Option(help="Bundle that was packed, such as kit/bundles/NAME; repeatable, once for each.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for the page, report.json, junit.xml, parity-card.md.")] = None,
    policy: Annotated[str | None, typer.Option(help="How close is close enough, as for the gate; 'publish' if left out.")] = None,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Judge what devices answered like the gate: PUBLISH (exit code 0), REFUSE (1), or answers that cannot be judged (2)."""
    from parity.judge_answers import AnswersOptions, run_judge_answers
    from parity.measure.policy_file import chosen_policy
    from parity.report.report import require_all_judged, require_no_idle_exemption

    console = wide_console(stderr=as_json)
    options = AnswersOptions(
        answers=answers, model=model, bundles=bundle or [], report=report, force=force,
        policy=chosen_policy(policy, date.today(), made_here=False),
    )  # fmt: skip
    with show_progress(console) as say:
        outcome = run_judge_answers(options, user_store(no_cache), say, partial(show_report, console=console, as_json=as_json))
    if report is not None:
        console.print(f"wrote {report}", highlight=False, soft_wrap=True)
    print_peak(console)
    require_no_idle_exemption(outcome)
    if outcome.publish:
        require_all_judged(outcome)
    raise typer.Exit(EXIT_OK if outcome.publish else EXIT_REFUSE)


def contract_command(
    bundle: Annotated[Path, typer.Option(help="Folder with the file names of Arm's audiogen app.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    as_json: AsJson = False,
) -> None:
    """Say what Arm's audiogen app, which finds tensors by place, would do with a bundle; 1 if no revision of it fits."""
    from parity.device.contract import contract

    console = wide_console(stderr=as_json)
    with show_progress(console) as say:
        say(f"reading {bundle}")
        found = contract(bundle, model)
    if as_json:
        print_json(found.to_json())
    else:
        _show_contract(found, console)
    raise typer.Exit(EXIT_OK if found.fitting else EXIT_REFUSE)


def _show_contract(found: "Contract", console: Console) -> None:
    from parity.device.contract import contract_table

    for revision, reached in found.reached.items():
        show_table(console, contract_table(reached, revision))
    for text in found.general:
        tell(console, "red", "wrong", f"the app {text}")
    for text in found.notes:
        console.print(f"note: {text}", soft_wrap=True, highlight=False)
    if found.fitting:
        tell(console, "green", "fits", f"audiogen {', '.join(found.fitting)}")
        return
    advice = "with these constants in audiogen.cpp tensors are found where they are:"
    tell(console, "red", "fits no revision", advice, between="; ")
    for line in found.constants:
        console.print(f"  {line}", soft_wrap=True, highlight=False)


def verify_wav_command(
    wav: Annotated[Path, typer.Argument(help="What the device wrote; whole or cut, float or integer samples.")],
    prompt: Annotated[str, typer.Option(help="Prompt it was asked for.")],
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed it was given.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    seconds: Annotated[
        float, typer.Option("--seconds", "-l", min=0, help="Seconds it was asked for; Arm's app asks for 10 without its own -l.")
    ] = 10.0,
    steps: Annotated[int, typer.Option(min=1, help="Sampler steps.")] = 8,
    sampler: Annotated[str, typer.Option(help="Update rule the device should use.")] = "pingpong",
    noise: Annotated[
        str, typer.Option(help="Its noise: audiogen-libcxx-arm64 (Android, macOS), audiogen-libstdcxx, philox, an .npz.")
    ] = "audiogen-libcxx-arm64",
    init_audio: Annotated[Path | None, typer.Option("--init-audio", "-i", help="Sound it started from.")] = None,
    init_noise_level: Annotated[
        float | None,
        typer.Option("--init-noise-level", "-x", help=f"Noise it put on that, as the app's -x; {INIT_LEVEL:g} if left out."),
    ] = None,
    precision: Annotated[str, typer.Option(help="int8 (INT8 DiT, FP16 decoder, as Arm's app), fp16 or fp32.")] = "int8",
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="CPU threads.")] = 1,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a WAV is what the model makes of this prompt and seed (0), and if not, what was different (1)."""
    from parity.device.verify import InitAudio, VerifyOptions, verify
    from reference.spec.generation import Request
    from reference.spec.sampling.samplers import SamplerSpec

    console = wide_console(stderr=as_json)
    if init_audio is None and init_noise_level is not None:
        raise InputError("init_noise_level has no effect without init audio; give --init-audio or leave it out")
    request = Request(prompt=prompt, seconds=seconds, sampler=SamplerSpec(name=sampler, steps=steps))
    options = VerifyOptions(
        wav=wav, model=model, request=request, seed=seed, noise=noise, mix=precision, threads=threads,
        init_audio=None if init_audio is None else InitAudio(path=init_audio, noise_level=init_noise_level),
    )  # fmt: skip
    with show_progress(console) as say:
        answer = verify(options, user_store(no_cache), say)
    if as_json:
        print_json(answer.to_json())
    else:
        _show_answer(answer, f"{wav} is what {model} makes of it", console)
    raise typer.Exit(EXIT_OK if answer.is_the_model_s else EXIT_REFUSE)


def _show_answer(answer: "Answer", agreeing: str, console: Console) -> None:
    for check in answer.checks:
        colour, word = ("green", "ok") if check.ok else ("red", "FAIL")
        tell(console, colour, f"{word:4}", str(check))
    if answer.is_the_model_s:
        tell(console, "green", "the model's", agreeing, between=": ")
    else:
        tell(console, "red", "not the model's", f"{answer.sentence}; look at {answer.component}", between=": ")
