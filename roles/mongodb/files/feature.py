"""Print the feature compatibility version of the replica set; with a second argument raise it to that first.

    feature.py MEMBER [VERSION]

It says what may be written: held at 6.0, a server of 7.0 writes nothing that one of 6.0 cannot read.
Source: https://www.mongodb.com/docs/manual/reference/command/setFeatureCompatibilityVersion/
"""

import sys
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

member, *wanted = sys.argv[1:]
# While it is changed there are two, each after a hyphen, and all members answer to the first.
key = "".join(Path("/etc/mongodb/keyfile").read_text().strip("- \n").partition("\n-")[0].split())
options = {
    "tls": True,
    "tlsCAFile": "/etc/mongodb/tls/ca.pem",
    "username": "__system",
    "password": key,
    "authSource": "local",
    "authMechanism": "SCRAM-SHA-256",
    "directConnection": True,
    "serverSelectionTimeoutMS": 30_000,
}
try:
    with MongoClient(member, **options) as client:
        asked = {"getParameter": 1, "featureCompatibilityVersion": 1}
        now = client.admin.command(asked)["featureCompatibilityVersion"]["version"]
        leads = client.admin.command("hello")["isWritablePrimary"]
        if wanted and leads and now != wanted[0]:
            # Since 7.0 it wants to be told that there is no way back.
            sure = {"confirm": True} if int(wanted[0].split(".")[0]) >= 7 else {}
            client.admin.command("setFeatureCompatibilityVersion", wanted[0], **sure)
            sys.stderr.write("raised\n")
            now = wanted[0]
except PyMongoError as error:
    sys.exit(f"MongoDB at {member}: {error}")
sys.stdout.write(now + "\n")
