"""Us beside the peers found, one run.

python -m tools.bench dataplane [--rounds N] [--seconds S] [--only tcp1,ping,...]
python -m tools.bench punch     [--runs N] [--pairs uniform,...] [--easytier PATH] [--json]
python -m tools.bench mesh      [--rounds N] [--only relay-killed,lossy,...] [--minutes M] [--json]

contenders  raw veth, us, and the compiled peers: how each makes a tunnel between two hosts of the lab
traffic     what is sent through it: TCP, UDP flood, ping
solo        what only we are asked: relay, start, idle, commands, garbage
garbage     the stranger (runs on a host of the lab)
targets     floor and aim of every figure
dataplane   rounds, interleaved; medians; ratios
punch/      how soon two hosts behind NATs get direct, and with how little
mesh/       what is felt of faults, loss and crowds
"""
