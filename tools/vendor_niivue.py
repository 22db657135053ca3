"""Fetch NiiVue's bundle again from the npm package, or move to another version.

    python tools/vendor_niivue.py            the recorded version: fails where the bytes are not the recorded ones
    python tools/vendor_niivue.py 0.70.0     another version: writes the file and the new record

The bundle is kept in the repository, so that neither an installation nor a report needs npm or a network.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "src" / "qsmbench" / "report" / "vendor"


def main() -> int:
    """Fetch, check or record; return the exit status."""
    record_path = VENDOR / "niivue.json"
    record = json.loads(record_path.read_text(encoding="utf-8"))
    wanted = sys.argv[1] if len(sys.argv) > 1 else record["version"]
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--json", f"{record['package']}@{wanted}"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        about = json.loads(packed.stdout)[0]
        with tarfile.open(Path(folder) / about["filename"]) as archive:
            member = archive.extractfile(record["member"])
            if member is None:
                print(f"{about['filename']} has no {record['member']}", file=sys.stderr)
                return 1
            content = member.read()
    digest = hashlib.sha256(content).hexdigest()
    if wanted == record["version"] and digest != record["sha256"]:
        print(f"{record['member']} of {wanted} has SHA-256 {digest}, recorded is {record['sha256']}", file=sys.stderr)
        return 1
    (VENDOR / record["file"]).write_bytes(content)
    record |= {"version": wanted, "integrity": about["integrity"], "sha256": digest}
    record_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{record['package']} {wanted}: {len(content)} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
