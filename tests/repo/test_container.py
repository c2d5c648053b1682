"""The recipe of the container: no root, pinned bases, the maps inside, the site file and state where they belong."""

import json
import re
import shlex
import tomllib

import yaml

from tests.repo.checkout import ROOT

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
SITE, STATE = "/etc/inverter-bridge/site.yaml", "/var/lib/inverter-bridge"


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, as word and arguments."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def arguments(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


def test_every_base_is_pinned_by_a_tag() -> None:
    for stage in stages():
        (base,) = arguments(stage, "FROM")
        assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+( AS \w+)?", base)
    assert len({arguments(stage, "FROM")[0].split(" AS ")[0] for stage in stages()}) == 1


def test_the_first_stage_builds_the_wheel_of_all_it_needs() -> None:
    """What pyproject.toml reads while a wheel is built must be in the context, the maps with it."""
    build = stages()[0]
    copied = {name for rest in arguments(build, "COPY") for name in shlex.split(rest)[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }
    assert needed <= copied
    assert all((ROOT / name).exists() for name in copied)
    allowed = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in allowed if line.startswith("!")}
    run = " ".join(arguments(build, "RUN"))
    assert "pip wheel" in run
    assert run.rstrip().endswith("inverter-bridge maps list")  # fails the build where they are missing


def test_the_last_stage_runs_a_site_without_being_root() -> None:
    last = stages()[-1]
    (user,) = arguments(last, "USER")
    assert user not in ("root", "0")
    made = " ".join(arguments(last, "RUN"))
    assert re.search(rf"useradd [^&]* {user} ", made)
    assert f"install -d -o {user} -g {user} -m 0700 {STATE}" in made
    words = [word for word, _ in last]
    assert "RUN" not in words[words.index("USER") :]
    assert json.loads(arguments(last, "ENTRYPOINT")[0]) == ["tini", "--", "inverter-bridge"]
    assert " tini " in made
    assert arguments(last, "HEALTHCHECK")[0].endswith('CMD ["inverter-bridge", "health"]')
    assert json.loads(arguments(last, "CMD")[0]) == ["run", SITE]
    assert arguments(last, "VOLUME") == [STATE]
    assert f"STATE_DIRECTORY={STATE}" in arguments(last, "ENV")[0]
    assert all(rest.startswith("--from=build ") for rest in arguments(last, "COPY"))


def test_compose_runs_it_on_the_machines_network_with_little_right() -> None:
    (service,) = COMPOSE["services"].values()
    assert service["network_mode"] == "host"
    assert (ROOT / "docker" / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert service["cap_drop"] == ["ALL"]
    assert service["cap_add"] == ["NET_BIND_SERVICE"]
    assert not service.get("privileged")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "user" not in service  # the image's own
    mounts = dict(mount.split(":", 1) for mount in service["volumes"])
    assert mounts["./site.yaml"] == f"{SITE}:ro"
    assert mounts["state"] == STATE
    assert "state" in COMPOSE["volumes"]
