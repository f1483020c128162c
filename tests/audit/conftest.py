# SPDX-License-Identifier: Apache-2.0
"""The sandbox, tried from inside on the machine's own KVM. tests/linux/test_sandbox.py has the rest."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import voltlib  # noqa: E402


def pytest_collection_modifyitems(items):
    reason = voltlib.kvm_unusable()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"no usable KVM: {reason}"))
