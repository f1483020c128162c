# SPDX-License-Identifier: Apache-2.0
"""What the documents say is what the programs do."""

import os
import re
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
VMM = os.path.join(TOP, "build", "volt-vmm")


def read(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as file:
        return file.read()


def vmm_help():
    return subprocess.run([VMM, "--help"], check=True, capture_output=True, text=True).stdout


def man_pages():
    folder = os.path.join(TOP, "man")
    return sorted(name for name in os.listdir(folder) if re.fullmatch(r".*\.[1-8]", name))


def test_every_option_is_in_the_man_page():
    helped = set(re.findall(r"^  (--[a-z-]+)", vmm_help(), re.M))
    page = read("man", "volt-vmm.1")
    manned = {"--" + name for name in re.findall(r"^\.It Fl Fl ([a-z-]+)", page, re.M)}
    assert helped and helped == manned


def test_every_exit_status_is_in_the_man_page():
    helped = set(re.findall(r"^  (\d+)  ", vmm_help(), re.M))
    manned = set(re.findall(r"^\.It (\d{3})$", read("man", "volt-vmm.1"), re.M))
    assert helped and helped == manned


def test_the_default_command_line_is_in_the_man_page():
    default = re.search(r'CONFIG_CMDLINE_DEFAULT\s+"([^"]+)"', read("src/vmm/config.h")).group(1)
    assert default in read("man", "volt-vmm.1")
    assert default in vmm_help()


@pytest.mark.parametrize("page", man_pages())
def test_man_page_is_well_formed(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, "man", page)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_readme_commands_exist():
    readme = read("README.md")
    makefile = read("Makefile")
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", readme)) - {"install"}
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_links_between_documents_lead_somewhere():
    pages = ["README.md"] + [os.path.join("docs", n) for n in os.listdir(os.path.join(TOP, "docs"))
                             if n.endswith(".md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page)):
            path = os.path.join(TOP, os.path.dirname(page), target)
            assert os.path.exists(path), f"{page} points to {target}"


def test_version_is_one():
    version = re.search(r"version: '([^']+)'", read("meson.build")).group(1)
    said = subprocess.run([VMM, "--version"], check=True, capture_output=True, text=True).stdout
    assert said == f"volt-vmm {version}\n"
