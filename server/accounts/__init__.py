"""Who people and programs are: tokens of an issuer, keys of ours, tickets. What they may: server/auth.py."""
