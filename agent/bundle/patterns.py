"""What secrets look like that are known by their form, wherever they stand.

Forms are those that the vendors publish for their keys (GitHub, GitLab, AWS, Google Cloud, Slack, Stripe, npm, PyPI,
Hugging Face, OpenAI, Anthropic, W&B, Databricks, NVIDIA NGC …, as of 2026).
"""

from __future__ import annotations

import re

#: Nothing that belongs to a word stands before it, so that it is not the end of another one.
_B = r"(?<![A-Za-z0-9_-])"
_PREFIXED = {
    "AWS": r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{12,}",
    "GitHub": r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}",
    "GitLab": r"gl(?:pat|dt|rt|ptt|cbt|soat|agent)-[\w.-]{16,}",
    "Hugging Face": r"(?:hf|api_org)_[A-Za-z0-9]{16,}",
    "sk": r"sk-[A-Za-z0-9_-]{16,}",
    "Stripe": r"(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    "W&B": r"(?:wandb_v\d_\w{16,}|local-[0-9a-f]{40})",
    "Google": r"AIza[\w-]{30,}|ya29\.[\w.-]{16,}|GOCSPX-[\w-]{16,}|1//0[\w-]{20,}",
    "Slack": r"xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}",
    "npm": r"npm_[A-Za-z0-9]{16,}",
    "PyPI": r"pypi-[\w-]{16,}",
    "Groq": r"gsk_[A-Za-z0-9]{16,}",
    "xAI": r"xai-[A-Za-z0-9]{16,}",
    "Replicate": r"r8_[A-Za-z0-9]{16,}",
    "Perplexity": r"pplx-[A-Za-z0-9]{16,}",
    "Fireworks": r"fw_[A-Za-z0-9]{16,}",
    "NVIDIA": r"nvapi-[\w-]{16,}",
    "Databricks": r"dapi[0-9a-f]{32}(?:-\d)?",
    "DigitalOcean": r"do[opr]_v1_[0-9a-f]{16,}",
    "SendGrid": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "Mailgun": r"key-[0-9a-f]{32}",
    "Twilio": r"(?:SK|AC)[0-9a-f]{32}",
    "Vault": r"hv[sbr]\.[\w-]{16,}|s\.[A-Za-z0-9]{24}(?![A-Za-z0-9])",
    "Docker": r"dckr_(?:pat|oat)_[\w-]{16,}",
    "Tailscale": r"tskey-[\w-]{16,}",
    "RunPod": r"rpa_[A-Za-z0-9]{16,}",
    "Modal": r"a[ks]-[A-Za-z0-9]{20,}",
    "Linear": r"lin_api_[A-Za-z0-9]{16,}",
    "age": r"AGE-SECRET-KEY-1[A-Z0-9]{16,}",
    "Telegram": r"\d{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])",
    "Discord": r"[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,}",
    "JWT": r"eyJ[\w-]{10,}(?:\.[\w-]+){0,4}={0,2}",
}
#: By the vendor's name: what stands by itself.
PREFIXED = [(f"{vendor} key", re.compile(_B + f"(?:{pattern})")) for vendor, pattern in _PREFIXED.items()]

#: What stands behind something: group `secret` is what is cut.
BEHIND = [
    ("authorization", re.compile(
        r"(?i)\b(?:proxy-)?authorization\\?[\"']?\s*[:=]\s*(?:b?\\?[\"'])?"
        r"(?:(?:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256)\s+)?(?P<secret>[^\"'\\\r\n]{4,}?)(?=\\?[\"']|$|\r)",
        re.MULTILINE,
    )),
    ("authorization", re.compile(r"(?i)\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/-]{12,}=*)")),
    ("cookie", re.compile(r"(?i)\b(?:set-)?cookie\\?[\"']?\s*[:=]\s*\\?[\"']?(?P<secret>[^\"'\\\r\n]{4,})")),
    ("credentials in a URL", re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://(?P<secret>[^\s/?#\"'<>\\]{1,500})@")),
    ("webhook", re.compile(
        r"https?://(?:hooks\.slack\.com/(?:services|workflows|triggers)|(?:\w+\.)?discord(?:app)?\.com/api/webhooks"
        r"|[\w.-]+\.webhook\.office\.com|outlook\.office\.com/webhook|hooks\.zapier\.com/hooks"
        r"|open\.feishu\.cn/open-apis/bot|oapi\.dingtalk\.com/robot)/?(?P<secret>[^\s\"'<>\\]{4,})"
    )),
    ("signature in a URL", re.compile(
        r"(?i)[?&;](?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|sig|signature"
        r"|se?cret|token|key|api_?key|access_?(?:key|token)|auth|code|password|pwd|sas|awsaccesskeyid)="
        r"(?P<secret>[^&\s\"'<>#\\]{4,})"
    )),
    ("connection string", re.compile(r"(?i)\b(?:account|sharedaccess)key=(?P<secret>[^;\s\"'\\]{8,})")),
    ("named in words", re.compile(
        r"(?i)\b(?:(?:api|access|secret|private|auth|login|session|bearer)[ -](?:key|token|secret|password)\s*[:=]"
        r"|(?:key|token|secret|password|passphrase|passwd)\s+is\b)\s*[:=]?\s*[\"'`]?(?P<secret>[^\s\"'`,;\\]{6,})"
    )),
    ("login", re.compile(r"(?i)\blogin\s+\S+\s+password\s+(?P<secret>[^\s\"'\\]+)")),
    ("login", re.compile(r"(?i)(?:\bcurl\b[^\n]*\s-u|--user)[\s=]+[\"']?[^\s:\"']+:(?P<secret>[^\s\"'\\]+)")),
    ("login", re.compile(r"(?i)\b(?:docker login|sshpass|mysql)\b[^\n]*?\s-p\s*[\"']?(?P<secret>[^\s\"'\\]+)")),
    ("login", re.compile(
        r"(?i)\b(?:wandb|huggingface-cli|hf auth|swanlab|comet)\s+login\s+(?:--?\w+[\s=]+){0,4}"
        r"(?P<secret>[A-Za-z0-9_-]{16,})"
    )),
]  # fmt: skip

#: A private key in PEM, also one whose end is not in sight, or on one line with `\n` written out.
PRIVATE_KEY = re.compile(
    r"(?s)-----BEGIN (?P<kind>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:.{0,20000}?-----END (?P=kind)-----|(?:(?:\s|\\n)*[A-Za-z0-9+/=]{16,})*)"
)
#: Lines of base64 that come from the middle of such a thing.
BASE64_LINES = re.compile(r"(?m)^[ \t]*[A-Za-z0-9+/]{60,}={0,2}[ \t]*$")

E_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{2,63}){1,6}(?![\w-])")
#: Directories that are named after people: groups `before` and `name`.
HOME = re.compile(r"(?P<before>/(?:home|Users|scratch/users|fsx/home)/)(?P<name>[A-Za-z0-9._-]{2,64})")
