"""Secrets as logs and configurations show them, made anew in each run, so that none stands in the repository."""

from __future__ import annotations

import base64
import random
import string
from typing import NamedTuple

_ALL = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


class Planted(NamedTuple):
    """A text with a secret in it. `secret` must not be left, nor any `parts` of it."""

    kind: str
    text: str
    secret: str


def planted(seed: int) -> list[Planted]:
    """One of each kind."""
    source = random.Random(seed)

    def some(length: int, of: str = _ALL) -> str:
        # no form of key lacks a digit for long
        return "".join(source.choices(of, k=length - 4)) + "".join(source.choices("a7K9", k=4)).replace(
            "K", "k" if of == _HEX else "K"
        )

    def hexes(length: int) -> str:
        return "".join(source.choices(_HEX, k=length - 2)) + "a7"

    upper = string.ascii_uppercase + string.digits
    body = "\n".join(some(64) for _ in range(4))
    made: list[tuple[str, str, str]] = []

    def add(kind: str, text: str, secret: str) -> None:
        made.append((kind, text.replace("{}", secret), secret))

    add("aws id", "using credentials {} from environment", "AKIA" + "".join(source.choices(upper, k=16)))
    add("aws secret", "aws_secret_access_key = {}", some(40, _ALL + "/+"))
    add("aws session", 'AWS_SESSION_TOKEN="{}"', some(200, _ALL + "/+") + "==")
    add("hugging face", "huggingface_hub: token {} is valid", "hf_" + some(34, string.ascii_letters))
    add("hugging face environment", "HF_TOKEN={}", "hf_" + some(34))
    add("openai", "client = OpenAI(api_key='{}')", "sk-proj-" + some(48, _ALL + "-_"))
    add("anthropic", "ANTHROPIC: {}", "sk-ant-api03-" + some(80, _ALL + "-_"))
    add("wandb", "wandb login --relogin {}", hexes(40))
    add("wandb environment", "export WANDB_API_KEY={}", hexes(40))
    add("wandb netrc", "machine api.wandb.ai login user password {}", hexes(40))
    add("wandb yaml", "wandb:\n  api_key: {}\n  entity: team", hexes(40))
    add("wandb new", "found key {} in settings", "wandb_v1_" + some(60))
    add("github", "git clone https://x:{}@github.com/a/b", "ghp_" + some(36))
    add("github fine", "remote: {} rejected", "github_pat_" + some(60))
    add("gitlab", "PRIVATE-TOKEN: {}", "glpat-" + some(20))
    add("google", "GOOGLE={}&x=1", "AIza" + some(35))
    add("google oauth", "token ya29 {} expires", "ya29." + some(80, _ALL + "-_"))
    add("slack", "posting with {}", "xoxb-" + some(40, string.digits + string.ascii_letters))
    add("slack webhook", "https://hooks.slack.com/services/{}", f"T{some(9)}/B{some(9)}/{some(24)}")
    add("discord webhook", "https://discord.com/api/webhooks/{}", f"123456789012345678/{some(60)}")
    add("telegram", "bot {} started", "123456789:" + some(35))
    add("stripe", "Stripe {}", "sk_live_" + some(24))
    add("npm", "//registry/:_authToken={}", "npm_" + some(36))
    add("pypi", "twine upload -p {}", "pypi-" + some(120, _ALL + "-_"))
    add("jwt", "cookie session is {}", f"eyJ{some(30)}.eyJ{some(60)}.{some(43)}")
    add("neptune", "NEPTUNE={}", "eyJ" + some(120) + "==")
    add("bearer", "Authorization: Bearer {}", some(30, string.ascii_lowercase))
    add("bearer in json", '{"headers": {"Authorization": "Bearer {}"}}', some(32))
    add("basic", "> authorization: Basic {}", base64.b64encode(f"user:{some(12)}".encode()).decode())
    add("curl header", "curl -H 'X-Api-Key: {}' http://host", some(28))
    add("curl user", "curl -s -u admin:{} http://host", some(14))
    add("url", "postgresql://user:{}@db.internal:5432/runs", some(14))
    add("redis url", "redis://:{}@cache:6379/0", some(14))
    add("signed url", "GET https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature={}&X-Amz-Expires=9", hexes(64))
    add("azure", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};Suffix=x", some(86, _ALL + "+/") + "==")
    add("azure sas", "https://a.blob.core.windows.net/c?sv=2024&sig={}&se=1", some(40) + "%3D")
    add("private key", "key:\n-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\nnext", body)
    add("private key without end", "-----BEGIN OPENSSH PRIVATE KEY-----\n{}", body)
    pem = r'{"private_key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"}'
    add("private key in json", pem, some(900))
    add("password", "password: {}", "correct horse battery staple")
    add("password argument", "python train.py --db-password {} --steps 4", some(9))
    add("password repr", "Namespace(user='a', password='{}', steps=4)", some(9, string.ascii_lowercase))
    add("escaped json", r"{\"env\": {\"OPENAI_API_KEY\": \"{}\"}}", some(32))
    add("hydra", "+trainer.logger.wandb_key={} trainer.steps=4", some(24))
    add("container environment", "- name: MY_SECRET\n  value: {}", some(16))
    add("client secret", 'client_secret = "{}"', some(30))
    add("databricks", "host uses {}", "dapi" + hexes(32))
    add("nvidia", "ngc {}", "nvapi-" + some(64, _ALL + "-_"))
    add("sendgrid", "mail by {}", f"SG.{some(22)}.{some(43)}")
    add("groq", "{}", "gsk_" + some(48))
    add("yaml block", "password: |\n  {}\nnext: 1", some(12))
    add("coloured", "HF: \x1b[32m{}\x1b[0m", "hf_" + some(34))
    add("said in words", "The API key is {}, keep it", some(24))
    add("unknown form", "worker got {} from the vault", some(48))
    return [Planted(*one) for one in made]
