"""What NAT is in front of us, and the STUN service for others who ask the same.

ask           the machine that measures         answer    our STUN service
transactions  which answer belongs to what      classify  pure: answers -> NatProfile
"""
