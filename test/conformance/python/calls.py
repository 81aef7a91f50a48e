"""Every backup call of the Python SDK against the server at URL; prints what the SDK made of each answer, as JSON."""

import hashlib
import json
import os

from pocketbase import PocketBase
from pocketbase.errors import ClientResponseError
from pocketbase.models import FileUpload

SAMPLE = bytes.fromhex("504b0506" + "00" * 18)
OWN_FIELDS = ("code", "hint", "requestId")

pb = PocketBase(os.environ["PB_URL"])
results = {}


def call(name, act):
    try:
        results[name] = act()
    except ClientResponseError as error:
        told = {key: value for key, value in (error.data or {}).items() if key not in OWN_FIELDS}
        results[name] = {"status": error.status, "told": told}


def login():
    superusers = pb.collection("_superusers")
    answer = superusers.auth_with_password(os.environ["PB_IDENTITY"], os.environ["PB_PASSWORD"])
    return [pb.auth_store.is_valid, pb.auth_store.is_superuser, answer.record.collection_name]


def refresh():
    pb.collection("_superusers").auth_refresh()
    return pb.auth_store.is_valid


def keys():
    return sorted(backup.key for backup in pb.backups.get_full_list())


def sha256_of(key):
    return hashlib.sha256(pb.backups.download(key)).hexdigest()


call("list as a guest", keys)
call("login", login)
call("refresh", refresh)
call("health", lambda: pb.health.check().data["canBackup"])
call("list of nothing", keys)
call("create", lambda: pb.backups.create("python.zip"))
call("create again", lambda: pb.backups.create("python.zip"))
call("create of a bad name", lambda: pb.backups.create("@test"))
call("upload", lambda: pb.backups.upload(FileUpload(("@python up.zip", SAMPLE, "application/zip"))))
call("upload again", lambda: pb.backups.upload(FileUpload(("@python up.zip", SAMPLE, "application/zip"))))
call("list", keys)
call("download", lambda: sha256_of("@python up.zip"))
call("times are read", lambda: all(backup.modified.year >= 2026 for backup in pb.backups.get_full_list()))
call("delete", lambda: pb.backups.delete("@python up.zip"))
call("restore of nothing", lambda: pb.backups.restore("missing.zip"))
call("list at the end", keys)
print(json.dumps(results))
