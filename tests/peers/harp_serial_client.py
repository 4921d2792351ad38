"""Speaks to a board through harp-serial 0.4: identity, a pulse, an event, a register that there is not."""

import json
import sys
import time

from harp.protocol import MessageType, OperationMode, PayloadType
from harp.protocol.messages import HarpMessage
from harp.serial import Device

device = Device(sys.argv[1])
found = {"who_am_i": device.WHO_AM_I, "firmware": [device.FIRMWARE_VERSION_H, device.FIRMWARE_VERSION_L]}
device.write_operation_ctrl(mode=OperationMode.ACTIVE)
found["mode"] = int(device.read_operation_ctrl()["OP_MODE"])
device.write_u16(49, 25)  # PulseMs of valve 0
answer = device.send(HarpMessage(MessageType.WRITE, PayloadType.U16, 34, 1))  # OutputSet
found["set"] = [answer.address, int(answer.payload), answer.timestamp > 0, bool(answer.is_error)]
time.sleep(0.1)
events = device.get_events()
found["edges"] = [[e.timestamp, int(e.payload)] for e in events if e.address == 207]
found["dump"] = sorted({m.address for m in device.dump_registers()})
device.disconnect()
sys.stdout.write(json.dumps(found) + "\n")
