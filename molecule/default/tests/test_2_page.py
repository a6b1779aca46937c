"""The page: over TLS, for who has logged in, and read-only."""

from __future__ import annotations

import re
import socket
import ssl
import uuid

import pytest
import requests
from pymongo import MongoClient
from pymongo.errors import OperationFailure


def test_it_asks_who_one_is(lake):
    answer = requests.get(f"https://{lake.address}/", verify=lake.ca, allow_redirects=False, timeout=120)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/")
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers or answer.headers["Server"] == "nginx"
    form = requests.get(f"https://{lake.address}/login", verify=lake.ca, timeout=120)
    assert 'name="password"' in form.text
    assert "The tweets here are made up" in form.text  # the local X API feeds it


def test_a_user_logs_in_and_is_shut_out_again(host, lake):
    name = f"verify-{uuid.uuid4().hex[:8]}"
    password = host.check_output("opslib web user add %s --random", name).strip()
    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win over what is said here
    session.verify = lake.ca
    form = session.get(f"https://{lake.address}/login", timeout=120).text
    token = re.search(r'name="form_token" value="(\w+)"', form).group(1)
    data = {"name": name, "password": password, "form_token": token, "next": "/operations"}
    assert session.post(f"https://{lake.address}/login", data=data, timeout=120).url.endswith("/operations")
    assert session.get(f"https://{lake.address}/api/places", timeout=120).json()
    host.check_output("opslib web user disable %s", name)
    assert session.get(f"https://{lake.address}/api/places", timeout=120).status_code == 401


def test_old_tls_is_refused(lake):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        pytest.raises(ssl.SSLError),
        socket.create_connection((lake.address, 443), timeout=5) as plain,
        context.wrap_socket(plain),
    ):
        pass


def test_nobody_but_nginx_may_use_its_socket(host):
    found = host.file("/run/opslib-web.socket")
    assert (found.user, found.group, found.mode) == ("root", "www-data", 0o660)
    assert host.check_output("systemctl show -p User --value opslib-web") == "opslib-web"


def test_its_account_can_only_read(lake):
    client = MongoClient(
        lake.address, 27017, tls=True, tlsCAFile=lake.ca, directConnection=True,
        username="opslib-web", password=lake.secrets["mongodb_web_password"],
    )  # fmt: skip
    with client:
        client.trendlake.tweets.find_one()
        for collection in ("tweets", "clouds", "ops_stats"):
            with pytest.raises(OperationFailure, match="not authorized"):
                client.trendlake[collection].insert_one({"_id": "verify"})
