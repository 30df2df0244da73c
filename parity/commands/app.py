"""All commands of `python -m parity`, in the order of its help."""

from collections.abc import Callable, Mapping

from litert_pipeline.extras import naming_missing
from parity.commands.card import annotations_command, card_command
from parity.commands.contents import contents_command
from parity.commands.describe import describe_command
from parity.commands.device import (
    contract_command,
    judge_command,
    pack_command,
    record_android_command,
    verify_wav_command,
)
from parity.commands.faults import faults_command
from parity.commands.gate import gate_command, soak_command
from parity.commands.latency import bench_report_command, codec_command, headline_command
from parity.commands.localize import localize_command
from parity.commands.recorded import goldens_command, headroom_command
from parity.commands.search import search_command, sensitivity_command
from reference.command_line import command_line

COMMANDS: Mapping[str, Callable[..., None]] = {
    "gate": gate_command,
    "card": card_command,
    "annotations": annotations_command,
    "contents": contents_command,
    "localize": localize_command,
    "sensitivity": sensitivity_command,
    "search": search_command,
    "soak": soak_command,
    "faults": faults_command,
    "headroom": headroom_command,
    "goldens": goldens_command,
    "headline": headline_command,
    "codec": codec_command,
    "bench-report": bench_report_command,
    "pack": pack_command,
    "describe": describe_command,
    "record-android": record_android_command,
    "judge": judge_command,
    "contract": contract_command,
    "verify-wav": verify_wav_command,
}
app = command_line(
    about="Is the converted model still the same model?",
    at_fault="the gate",
    commands={name: naming_missing(command) for name, command in COMMANDS.items()},
)
