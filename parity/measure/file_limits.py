"""Limits of what files hold and of the graphs they hold it in; they follow from no arithmetic. Beside `limits.py`."""

from parity.measure.budget import Fixed

# How much farther than half a step of its own grid a constant may be from what it should be: rounding to the nearest leaves
# half a step; the scale itself, and gains that are multiplied in beforehand, are rounded, too.
HALF_STEP = 0.5
STEPS_BEYOND = Fixed(
    limit=2e-3,
    why="a constant is within half a step of its own grid of the checkpoint's; measured up to 3e-6 beyond, weights 0.1 % off 0.1",
)
# Between a quantized file and the reference that holds its weights: float rounding, and what layers are fed may be rounded the
# other way, after which all that follows is rounded anew. Two such roundings are sqrt(2) times as far apart as one from none.
FLOAT_ROOM, FEED_ROOM = 8.0, 1.75
STRUCTURE = Fixed(
    limit=1.0,
    why=f"{FLOAT_ROOM:g}x the reference's own rounding and {FEED_ROOM:g}x what rounding the layers' feeds moves in the reference "
    "with the file's weights; measured up to 0.61",
)
CALM = 0.1  # of what rounding the feeds moves: less noise than that is taken for as much
LEAN = Fixed(
    limit=6.0,
    why="6 standard errors: what rounding leaves goes no way in particular; measured up to 1.6, 3.5 were all rounded anew",
)
SAME_WAY = 0.02  # of what rounding the feeds moves: kernels may round all sums of a channel alike; measured up to 0.014
CHANNELS = Fixed(
    limit=6.0,
    why="6 standard errors: what rounding leaves makes no channel larger or smaller; measured up to 1.1",
)
ALL_THERE = Fixed(limit=0.0, why="every tensor of the checkpoint is in the file")
NOTHING_ELSE = Fixed(limit=0.0, why="nothing is in the file but the checkpoint's tensors and what follows from them")
BARE_STRUCTURE = Fixed(
    limit=1.0,
    why=f"{FLOAT_ROOM:g}x the reference's own rounding, where neither the graph nor the reference with its weights rounds "
    "anything in between; measured up to 0.15",
)
