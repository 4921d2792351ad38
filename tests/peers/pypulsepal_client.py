"""Programs a train through pypulsepal 0.4, triggers it, and stops another."""

import json
import sys
import time

import pypulsepal

pal = pypulsepal.PulsePal(sys.argv[1])
found = {"firmware": int(pal.firmware_version), "channels": int(pal.nr_output_channels)}
wanted = {
    "isBiphasic": 0,
    "phase1Voltage": 5.0,
    "phase1Duration": 0.005,
    "interPulseInterval": 0.045,
    "pulseTrainDelay": 0.0,
    "burstDuration": 0.0,
    "pulseTrainDuration": 0.5,
    "restingVoltage": 0.0,
}
found["programmed"] = all(pal.program_one_param(0, name, value) for name, value in wanted.items())
pal.trigger_selected_channels(channel_1=True)
time.sleep(0.8)
pal.trigger_selected_channels(channel_1=True)
time.sleep(0.1)
pal.stop_all_outputs()
time.sleep(0.3)
pal.close()
sys.stdout.write(json.dumps(found) + "\n")
