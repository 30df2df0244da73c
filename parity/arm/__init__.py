"""The Arm matrix: one kit asked on emulated Arm CPUs, judged like the gate, and `docs/arm.md`, the page of what came of it."""
