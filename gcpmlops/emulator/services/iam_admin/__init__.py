"""google.iam.admin.v1: service accounts, their keys and policies, custom roles, workload identity pools.

accounts.py  what accounts there are, and what became of deleted ones
members.py   policies, when an account goes or comes back
service.py   the RPCs about accounts
keys.py      the RPCs about keys
roles.py     the RPCs about roles and permissions
pools.py     workload identity pools and providers (REST alone)
"""
