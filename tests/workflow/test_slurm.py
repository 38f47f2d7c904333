"""The workflow on a Slurm cluster leaves what it leaves on one machine, even where a node dies meanwhile.

Left out where no cluster answers. RADARLIB_SLURM_NODE names a node that may be taken down for it: of a cluster that
nobody else uses. RADARLIB_SLURM_FOLDER names a folder that all nodes share (default: one of this machine).
"""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import copy_repository, jobs, run

PROFILE = ("--profile", "workflow/profiles/slurm", "--config", "compute={device: cpu}")
ALONE = ("--group-components", "data=1", "score=1")  # nodes may have a single core
QUICK = (
    "--slurm-init-seconds-before-status-checks",
    "5",
    "--seconds-between-status-checks",
    "5",
    "--latency-wait",
    "20",
)


def answers() -> bool:
    return shutil.which("sinfo") is not None and subprocess.run(["sinfo", "-h"], capture_output=True).returncode == 0


def test_the_plan_is_the_same(tmp_path):
    where = copy_repository(tmp_path)
    done = run("snakemake", *PROFILE, "-n", "smoke", cwd=where)
    here = run("snakemake", "--cores", "2", "-n", "smoke", cwd=where)
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs(done.stdout) == jobs(here.stdout) and jobs(here.stdout)["train"] > 10


def kill_a_node(where: Path, node: str, ended: threading.Event) -> None:
    """Take a node down once some jobs are done, and bring it back after a minute."""
    while len(list((where / "results/smoke").rglob("features.csv"))) < 4:
        if ended.wait(1):
            return
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=down", "reason=test"], check=True)
    ended.wait(60)
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=False)  # it may be back by itself


@pytest.mark.smoke
@pytest.mark.skipif(not answers(), reason="no Slurm cluster answers")
def test_a_cluster_leaves_the_same_numbers(smoke, tmp_path):
    where = copy_repository(Path(os.environ.get("RADARLIB_SLURM_FOLDER", tmp_path)) / "w")  # one that all nodes share
    ended, node = threading.Event(), os.environ.get("RADARLIB_SLURM_NODE")
    killer = threading.Thread(target=kill_a_node, args=(where, node, ended)) if node else None
    if killer:
        killer.start()
    started = time.monotonic()
    done = run("snakemake", *PROFILE, *ALONE, *QUICK, "smoke", cwd=where)
    ended.set()
    if killer:
        killer.join()
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"smoke on Slurm: {time.monotonic() - started:.0f} s")
    files = sorted((smoke / "figures/smoke").glob("*.csv"))
    assert files
    for file in files:
        assert (where / "figures/smoke" / file.name).read_bytes() == file.read_bytes(), file.name
