"""What a process needs in its environment, so that unmodified Google clients in it reach the emulator."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

_TRUST = (
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "AWS_CA_BUNDLE",
)
DATA_DIR = "GCPMLOPS_EMULATOR_DATA_DIR"  # in the environment of `emulator exec`: which emulator a command means
_LOCAL = ("127.0.0.1", "localhost", "::1")
REMOVED = ("SSL_CERT_DIR", "STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")


def client_variables(data_dir: Path, *, port: int, project: str, base: Mapping[str, str]) -> dict[str, str]:
    """The variables to set; those in ``REMOVED`` are to be unset.

    Args:
        data_dir: the emulator's data directory, with its key file and certificates.
        port: the emulator's one port.
        project: the default project.
        base: the environment that they are laid over.
    """
    proxy = f"http://127.0.0.1:{port}"
    before = filter(None, base.get("NO_PROXY", base.get("no_proxy", "")).split(","))
    exempt = ",".join(dict.fromkeys([*_LOCAL, *before]))
    bundle = str(data_dir / "bundle.pem")
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": exempt,
        "no_proxy": exempt,
        **dict.fromkeys(_TRUST, bundle),
        "GOOGLE_APPLICATION_CREDENTIALS": str(data_dir / "credentials.json"),
        "GOOGLE_CLOUD_PROJECT": project,
        "GCPMLOPS_ENDPOINT": proxy,
        "GCE_METADATA_HOST": f"127.0.0.1:{port}",
        # gcsfs ignores the proxy unless its session is told to look at the environment
        "FSSPEC_GS": '{"session_kwargs":{"trust_env":true}}',
        "CLOUDSDK_CONFIG": str(data_dir / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": project,
        # gcloud gets its tokens, identity tokens among them, as any holder of a key does
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(data_dir / "credentials.json"),
        "GCPMLOPS_TOKEN_FILE": str(data_dir / "token"),  # for curl
        "BOTO_CONFIG": str(data_dir / "boto"),
    }


def write_client_files(data_dir: Path, *, ca: Path, token: str, port: int, project: str) -> None:
    """The files that the variables name: certificates, gcloud's token, gsutil's configuration."""
    (data_dir / "bundle.pem").write_bytes(_machine_roots(os.environ) + ca.read_bytes())
    _private(data_dir / "token", token)
    _gcloud(data_dir)
    _private(data_dir / "boto", _boto(data_dir, port, project))


def _gcloud(data_dir: Path) -> None:
    """The folder of gcloud, with the account whose key it gets: some commands (artifacts print-settings) ask for both.

    A configuration that is there is the user's by now.
    """
    configuration = data_dir / "gcloud" / "configurations" / "config_default"
    key = (data_dir / "credentials.json").read_text("utf-8")
    email = json.loads(key)["client_email"]
    adc = data_dir / "gcloud" / "legacy_credentials" / email / "adc.json"
    for folder in (data_dir / "gcloud", configuration.parent, adc.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _private(adc, key)
    if not configuration.exists():
        _private(configuration, f"[core]\naccount = {email}\n")
        _private(data_dir / "gcloud" / "active_config", "default")  # without it gcloud begins with an empty one


def _machine_roots(env: Mapping[str, str]) -> bytes:
    """The roots that this machine's clients trust already (a company's own proxy CA included)."""
    defaults = ssl.get_default_verify_paths()
    for candidate in (env.get("SSL_CERT_FILE"), env.get("REQUESTS_CA_BUNDLE"), defaults.cafile, _certifi()):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes().rstrip() + b"\n"
    return b""


def _certifi() -> str:
    import certifi

    return certifi.where()


def _boto(data_dir: Path, port: int, project: str) -> str:
    return (
        "[Credentials]\n"
        f"gs_service_key_file = {data_dir / 'credentials.json'}\n"
        "[Boto]\n"
        f"ca_certificates_file = {data_dir / 'bundle.pem'}\n"
        "proxy = 127.0.0.1\n"
        f"proxy_port = {port}\n"
        "[GSUtil]\n"
        f"default_project_id = {project}\n"
        f"state_dir = {data_dir / 'gsutil'}\n"
    )


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
