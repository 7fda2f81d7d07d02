from hostd.log_room import LEAST, LogRoom, apps_writing, bytes_free
from units.systemd import UnitStatus


class Scene:
    def __init__(self):
        self.free, self.writing, self.now = 1 << 30, ["a1"], 1_769_510_888.0
        self.said = []
        self.room = LogRoom(
            lambda: self.free, lambda: self.writing, lambda app, text: self.said.append((app, text)), lambda: self.now
        )


def test_while_there_is_room_nothing_is_said():
    scene = Scene()
    scene.room.look()
    scene.free = LEAST
    scene.room.look()
    assert scene.said == []


def test_apps_that_logged_on_a_full_disk_are_told_once_when_there_is_room_again(caplog):
    scene = Scene()
    scene.free = LEAST - 1
    scene.room.look()
    scene.writing, scene.now = ["a2"], scene.now + 5
    scene.room.look()
    assert scene.said == []
    scene.free, scene.now = 1 << 30, scene.now + 5
    scene.room.look()
    scene.room.look()
    text = (
        "Error L13 (Local delivery error) -> The server's disk was full from 2026-01-27T10:48:08.000000+00:00 to "
        "2026-01-27T10:48:18.000000+00:00: messages of that time may be missing."
    )
    assert scene.said == [("a1", text), ("a2", text)]
    assert caplog.text.count("is full") == 1


def test_a_folder_has_room(tmp_path):
    assert bytes_free(tmp_path) > 0


def test_apps_whose_journald_runs():
    class FakeSystemd:
        def list_units(self, patterns):
            assert patterns == ["systemd-journald@hostd-*.service"]
            return [
                UnitStatus("systemd-journald@hostd-a1-b.service", "", "loaded", "active", "running"),
                UnitStatus("systemd-journald@hostd-a2.service", "", "loaded", "inactive", "dead"),
            ]

    assert apps_writing(FakeSystemd()) == ["a1-b"]
