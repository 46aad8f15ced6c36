"""The shell: a clock, sockets and files around a node, and no opinions.

run        `join`: start, obey, leave            loop       the node between its inputs and its outputs
storage    identity and memory on disk           addresses  this host's addresses, and the bell that they changed
names      what a host is called; resolving      answers    what commands ask over the control socket
wiring     device, sockets, plane, opened        words      events as lines for a person
hardware   what this CPU seals well              virtual    the same node over a memory plane, in virtual time
tickets    the file that sessions are resumed by stretching the secret becomes a key
carriers/  UDP sockets
"""
