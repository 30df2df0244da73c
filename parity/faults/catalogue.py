"""All faults. Adding one is one entry in the file of its stage."""

from collections.abc import Mapping

from parity.faults.conditioner import CONDITIONER
from parity.faults.decoder import DECODER
from parity.faults.dit import DIT
from parity.faults.encoder import ENCODER
from parity.faults.fault import Fault
from parity.faults.files import FILES
from parity.faults.sampler import SAMPLER
from parity.faults.worn import WORN

CATALOGUE: Mapping[str, Fault] = {
    fault.name: fault for fault in (*CONDITIONER, *DIT, *SAMPLER, *DECODER, *ENCODER, *WORN, *FILES)
}
