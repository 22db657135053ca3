"""Fetch the report's JavaScript libraries again from their npm packages, or move one to another version.

    python tools/vendor_javascript.py                  every recorded version: fails where bytes are not those recorded
    python tools/vendor_javascript.py niivue 0.70.0    another version: writes the file and the new record

The bundles are kept in the repository, so that neither an installation nor a report needs npm or a network. Licences
lie beside them and are fetched where npm packages have them.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "src" / "qsmbench" / "report" / "vendor"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", metavar="NAME", help="default: every library")
    parser.add_argument("version", nargs="?", metavar="VERSION", help="default: the recorded one")
    return parser.parse_args()


def main() -> int:
    """Fetch, check or record; return the exit status."""
    arguments = parsed()
    names = [arguments.name] if arguments.name else sorted(path.stem for path in VENDOR.glob("*.json"))
    return max(fetch(name, arguments.version) for name in names)


def fetch(name: str, version: str | None) -> int:
    """Fetch one library; 1 where it is not what was recorded."""
    record_path = VENDOR / f"{name}.json"
    record = json.loads(record_path.read_text(encoding="utf-8"))
    wanted = version or record["version"]
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
            licence = archive.extractfile("package/LICENSE") if "package/LICENSE" in archive.getnames() else None
            if licence is not None:
                (VENDOR / f"{name}.LICENSE").write_bytes(licence.read())
    digest = hashlib.sha256(content).hexdigest()
    if wanted == record["version"] and record["sha256"] not in ("", digest):
        print(f"{record['member']} of {wanted} has SHA-256 {digest}, recorded is {record['sha256']}", file=sys.stderr)
        return 1
    (VENDOR / record["file"]).write_bytes(content)
    record |= {"version": wanted, "integrity": about["integrity"], "sha256": digest}
    record_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{record['package']} {wanted}: {len(content)} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
