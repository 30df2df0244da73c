"""The verdict for a person, for a program, and for the page a model is published on."""
