"""Why a check failed: the stage at fault, the module inside it, what is heard of it. Judges nothing."""
