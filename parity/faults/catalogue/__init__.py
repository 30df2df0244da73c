"""All faults. Adding one is one entry in the file of its stage."""

from collections.abc import Mapping

from parity.faults.catalogue.conditioner import CONDITIONER
from parity.faults.catalogue.decoder import DECODER
from parity.faults.catalogue.dit import DIT
from parity.faults.catalogue.domain import DOMAIN
from parity.faults.catalogue.encoder import ENCODER
from parity.faults.catalogue.files import FILES
from parity.faults.catalogue.generations import GENERATIONS
from parity.faults.catalogue.sampler import SAMPLER
from parity.faults.catalogue.shapes import SHAPES
from parity.faults.catalogue.stored import STORED
from parity.faults.fault import Fault

CATALOGUE: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (*CONDITIONER, *DIT, *SAMPLER, *DECODER, *ENCODER, *SHAPES, *DOMAIN, *GENERATIONS, *FILES, *STORED)
}
