"""What carries frames: UDP sockets today; streams later."""
