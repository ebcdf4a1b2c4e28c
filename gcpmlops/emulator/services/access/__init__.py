"""IAM enforcement: which permission a call needs, which roles give it, who has them.

methods.py    the permission of each RPC, and the resource that it is asked on
predefined.py Google's predefined roles, as patterns over the permissions that this emulator's services know
roles.py      a role's permissions, predefined or made by IAM's CreateRole
bindings.py   the bindings of a resource and of what it stands in
conditions.py when a conditional binding applies
enforcer.py   the gate's check
storage.py    what Cloud Storage's methods ask for
bigquery.py   what BigQuery's methods and jobs ask for
phrases.py    how each API words a refusal
identities.py key files of what runs as an account
"""
