"""The faults that real conversions suffered, and what the gate makes of each."""
