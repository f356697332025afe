"""All commands of `diracnet`: the zoo's and the export's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from export.commands.evaluate import evaluate
from export.commands.export import export
from export.commands.predict import predict
from export.commands.quantize import quantize
from export.commands.release import model_card, publish, publish_site, ship
from export.commands.reproduce import reproduce
from export.commands.sign import sign
from export.commands.verify import verify
from zoo.__main__ import COMMANDS as ZOO
from zoo.commands.application import application

COMMANDS: Mapping[str, Callable[..., None]] = {
    **ZOO,
    "evaluate": evaluate,
    "export": export,
    "verify": verify,
    "reproduce": reproduce,
    "sign": sign,
    "predict": predict,
    "quantize": quantize,
    "ship": ship,
    "model-card": model_card,
    "publish": publish,
    "publish-site": publish_site,
}
"""Name → command, in the order in which the help lists them."""

app = application(COMMANDS, "DiracNets: train them, load them, fold them, export them with proof, run them.")
