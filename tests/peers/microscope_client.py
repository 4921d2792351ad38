"""Drives a laser head through microscope 0.7: on, power, off."""

import json
import sys
import time

kind, port = sys.argv[1:3]
if kind == "cobolt":
    from microscope.lights.cobolt import CoboltLaser as Laser
else:
    from microscope.lights.obis import ObisLaser as Laser

laser = Laser(port)
found = {"on_at_first": bool(laser.get_is_on())}
laser.power = 0.25
laser.enable()
found["on"] = bool(laser.get_is_on())
if kind == "obis":
    time.sleep(5.5)  # the head itself waits five seconds before light comes (CDRH)
found["power"] = round(float(laser.power), 4)
laser.disable()
found["off"] = not laser.get_is_on()
sys.stdout.write(json.dumps(found) + "\n")
