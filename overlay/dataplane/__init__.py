"""The data plane: moves batches between the TUN and the sockets, decides nothing (design section 2).

port        what the hall says to it and hears from it
tables      label -> keys or circuit; destination -> way
envelope    records -> sealed envelope -> slices, and back
check       what a receiver checks in every record (protocol section 6)
linux       system calls: readv, sendmsg with UDP_SEGMENT, recvmsg_into with UDP_GRO
memory      the double that replaces the system calls only
"""
