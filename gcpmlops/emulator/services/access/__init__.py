"""IAM enforcement: which permission a call needs, which roles give it, who has them.

methods.py    the permission of each RPC, and the resource that it is asked on
predefined.py Google's predefined roles, as patterns over the permissions that this emulator's services know
roles.py      a role's permissions, predefined or made by IAM's CreateRole
policies.py   the bindings of a resource and of what it stands in
enforcer.py   the gate's check
"""
