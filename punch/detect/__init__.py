"""What NAT is in front of us, and the STUN service for others who ask the same.

ask           the machine that measures          answer    our STUN service, and the Touch it sends for others
  hello       who answers at all                 classify  pure: answers -> NatProfile
  survey      the tests that come first          words     pure: NatProfile -> label and sentence
  studies     what takes longer
questions     requests, repeated and paid        supply    fresh sockets
transactions  which answer belongs to what       strangers what a host gets that only a server named
signs         does UDP come in at all?           memory    what was measured in other networks
"""
