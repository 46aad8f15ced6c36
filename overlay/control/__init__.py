"""Talking to a running node: a Unix socket, one request a connection, one JSON object a line.

    client                                    server
      | -- {"do": "ping", "peer": ...} \\n --> |   same user or root, 32 connections, 1 MiB a request
      | <-- {"seq": 1, ...} \\n -------------- |
      | <-- {"sent": 1, "received": 1} \\n --- |
      | <-- end of file --------------------- |   the answer is complete

protocol   lines <-> requests and replies, pure
client     finds the node's socket and asks; standard library only, so that `status` is quick
peers      which peer a person means
server     listens, checks who asks, hands requests to `answer`
"""
