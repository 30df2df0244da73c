"""All commands of `python -m parity`, in the order of its help."""

import typer

from parity.commands.device import contract_command, verify_wav_command
from parity.commands.faults import faults_command
from parity.commands.gate import gate_command, soak_command
from parity.commands.latency import bench_report_command, headline_command
from parity.commands.localize import localize_command
from parity.commands.recorded import goldens_command, headroom_command

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def main() -> None:
    """Is the converted model still the same model?"""


app.command("gate")(gate_command)
app.command("localize")(localize_command)
app.command("soak")(soak_command)
app.command("faults")(faults_command)
app.command("headroom")(headroom_command)
app.command("goldens")(goldens_command)
app.command("headline")(headline_command)
app.command("bench-report")(bench_report_command)
app.command("contract")(contract_command)
app.command("verify-wav")(verify_wav_command)
