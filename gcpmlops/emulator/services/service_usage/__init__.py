"""google.api.serviceusage.v1: which APIs a project may use.

known.py    the APIs that can be enabled
enabled.py  which of them are, in each project; the gate's check
service.py  the RPCs
routes.py   v1beta1, where service identities are made
"""
