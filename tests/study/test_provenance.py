"""What an exhibit says of its making."""

from radarlib.files import sha256_file, write_json
from study.provenance import provenance


def test_provenance_says_what_went_in(tmp_path):
    write_json(tmp_path / "in.json", {"a": 1})
    record = provenance([tmp_path / "in.json"], tmp_path, exhibit="e", seconds=1.0)
    assert record["inputs"] == {"in.json": sha256_file(tmp_path / "in.json")}
    assert {"commit", "dirty", "versions", "machine", "exhibit", "seconds"} <= set(record)
    assert record["versions"]["torch"].startswith("2.")
