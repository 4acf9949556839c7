"""Another storage than before: taken while there is nothing to lose, else refused with the way to move it."""

import shutil
import subprocess
from pathlib import Path

from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.wire import Http


def test_a_folder_that_is_chosen_late_is_taken_and_one_that_is_chosen_too_late_is_not(tmp_path: Path) -> None:
    data_dir, new = tmp_path / "data", tmp_path / "new"
    with ServerProcess(data_dir) as server:
        tus = Tus(Http(server.port))
        assert tus.delete(tus.created(5, body=b"abc")).status == 204
    late = {"STORAGE_PATH": str(tmp_path / "late")}
    with ServerProcess(data_dir, late) as server:
        assert "nothing had been stored" in server.log()
        file_id = id_of(Tus(Http(server.port)).completed(b"hello"))
        assert server.terminate() == 0

    done = run_verb("serve", data_dir=data_dir, env={"STORAGE_PATH": str(new)})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"STORAGE_PATH: {new} is not this database's volume")
    assert f"cp -a OLD/. {new}/" in line
    assert not new.exists(), "it was written to"

    subprocess.run(["cp", "-a", f"{tmp_path}/late/.", f"{new}/"], check=True)  # as it says
    shutil.rmtree(tmp_path / "late")
    data_dir.rename(tmp_path / "moved")
    with ServerProcess(tmp_path / "moved", {"STORAGE_PATH": str(new)}) as server:
        assert Http(server.port).get(f"/files/{file_id}/content").body == b"hello"
