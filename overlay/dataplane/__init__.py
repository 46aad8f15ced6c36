"""The data plane: moves batches between the TUN and the sockets, decides nothing (design section 2).

              TUN --> uplink --> envelope --> sending --> sockets
              TUN <-- check, runs <-- envelope <-- downlink <-- sockets --> forward (circuits) --> sockets

port        what the hall says to it and hears from it
tables      label -> keys or circuit; destination -> way; rows: what stands in them
uplink      one direction: packets readable now, sealed once a peer, cut, sent
downlink    the other: batches opened once, every record checked, written
envelope    records <-> sealed envelope <-> datagrams
check       what a receiver checks in every record (protocol section 6)
runs        equal UDP packets become one write
segment     super-packets cut, checksums finished in Python, for peers that need it
sending     many datagrams a call, or one by one; what a full socket did not take
forward     circuits: labels of a whole batch swapped at once
movers      all of that together, without a loop
edges, abi  a TUN and sockets as the movers see them; numbers of the kernel
linux       system calls and the loop: readv, sendmsg with UDP_SEGMENT, recvmsg_into with UDP_GRO
memory      the double that replaces the system calls only
"""
