"""The device that the host's packets go through.

device   what a device is to the shell and to the plane
linux    /dev/net/tun
memory   the double beside it
"""
