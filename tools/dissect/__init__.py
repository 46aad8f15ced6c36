"""A capture as a conversation: `python -m tools.dissect FILE.pcap`.

    layers        the frames of protocol section 2 and 3 as scapy layers, one row a kind
    capture       pcap -> sightings: when, from where to where, which frame
    keys          what `overlay join --debug-keys` wrote -> what is sealed
    spoken        messages, signals, inner packets and STUN in words
    conversation  sightings -> lines a person can read

The one home of scapy, beside the tests: it is GPL, and a development extra only.
"""
