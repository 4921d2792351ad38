"""Speaks to a board through harp 0.5 and the board's own device.yml: identity, registers, a beam's event, a pulse."""

import json
import sys
import time
from pathlib import Path

import harp.serial
import serial
from harp.device import core
from harp.device.client import Device
from harp.device.schema import create_device_module
from harp.device.schema._model import DeviceModel
from pydantic_yaml import parse_yaml_raw_as


class PtyTransport(harp.serial.SerialTransport):
    """A pseudo-terminal has no DTR line, which the package's own transport sets."""

    def open(self) -> None:
        """Open the port."""
        self._serial = serial.Serial(self._port, self._baudrate, timeout=0.1)


text = Path(sys.argv[2]).read_text()
board = create_device_module(text)
model = parse_yaml_raw_as(DeviceModel, text)
found = {
    "registers": {r.address: [r.type.value, r.length or 1] for r in model.registers.values()},
    "who_am_i_of_file": model.whoAmI,
}
with Device(PtyTransport(sys.argv[1]), board) as device:
    heard = []
    device.subscribe_all(lambda message: heard.append([message.address, message.timestamp]))
    found["who_am_i"] = int(device.read(core.WhoAmI).payload)
    found["read"] = [
        register.address
        for name, register in model.registers.items()
        if not device.read(getattr(board, name)).has_error
    ]
    device.write(board.PulseMsValve0, 30)
    found["pulse_ms"] = int(device.read(board.PulseMsValve0).payload)
    found["answered"] = device.write(board.OutputSet, board.Outputs.VALVE0).timestamp
    time.sleep(0.2)
    found["edges"] = [t for address, t in heard if address == 207]
sys.stdout.write(json.dumps(found) + "\n")
