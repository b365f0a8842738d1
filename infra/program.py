"""What the Pulumi program does: reads the plan folder, refuses what must not be built, declares one stack of it."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from infra import admission, hosts, judgement, settings, tenant
from infra.admission import Deployed, HostsStack
from infra.observing import observation
from infra.recovery import turns
from infra.refusal import RefusalError
from layout import FolderError

if TYPE_CHECKING:
    from layout.folder import PlanFolder

PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Declares the resources of the current stack. Raises pulumi.RunError with one line for the user's mistakes."""
    prefix = f"{pulumi.get_project()}:"
    config = {key.removeprefix(prefix): value for key, value in _config().items() if key.startswith(prefix)}
    try:
        chosen = settings.read(config, PROJECT)
        plan = judgement.judged(chosen.plan)
        declare(plan, chosen, pulumi.get_stack(), _deployed())
    except (RefusalError, FolderError) as error:
        raise pulumi.RunError(str(error)) from None


def declare(plan: judgement.Plan | PlanFolder, chosen: settings.Settings, stack_name: str, deployed: Deployed) -> None:
    """Declares one stack of the plan after every check. Raises RefusalError before any resource exists."""
    layout = plan.layout
    stack = admission.stack_of(stack_name, layout)
    admission.require_not_older(layout, deployed)
    admission.require_lineage(layout, plan.layout_digest, deployed)
    if not isinstance(plan, judgement.Plan):
        admission.require_sound(plan)
    for host in admission.hosts_of(stack, layout):
        admission.uri_of(host, chosen)
    if isinstance(stack, HostsStack):
        ids = {image for images in admission.base_images(stack.site, layout).values() for image in images}
        hosts.declare(stack, layout, chosen, admission.find_images(ids, layout, chosen, deployed))
    else:
        vms = admission.vms_of(stack, layout)
        uris = {host.id: admission.uri_of(host, chosen) for host in layout.hosts if host.uri or host.id in chosen.uris}
        admission.require_in_place(vms, deployed, lambda asked: observation.observe_all(_only(uris, asked)))
        if turns.OWNER_OF not in os.environ:  # else `kumiai deploy` has looked at everything before
            fresh = [vm for vm in vms if vm.id not in deployed.resources]
            admission.require_absent(fresh, observation.observe_all(_only(uris, {vm.host for vm in fresh})))
        tenant.declare(stack, layout, chosen, deployed, _work_folder())
    pulumi.export("generation", layout.generation)
    pulumi.export("layout_digest", plan.layout_digest)
    pulumi.export("plan_name", layout.estate.name)


def _only(uris: Mapping[str, str], hosts: Collection[str]) -> dict[str, str]:
    return {host: uri for host, uri in uris.items() if host in hosts}


def _config() -> dict[str, Any]:
    # pulumi.Config only answers for keys that one knows; a misspelt key must not be ignored.
    return {**get_config_env(), **CONFIG.get()}


def _deployed() -> Deployed:
    """The stack's own last outputs and resources, asked of the engine: works with every backend, previews too."""
    name = _once_registered(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    outputs = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value["outputs"]
    resources = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": name}).value["outputs"]
    names = frozenset(urn.rpartition("::")[2] for urn in resources if "libvirt:index/" in urn)
    return Deployed(outputs or {}, names)


def _once_registered(text: str) -> pulumi.Input[str]:
    """The text, once the stack itself is registered.

    Registering it writes the checkpoint, and the engine answers after that. A question asked meanwhile reads the
    checkpoint's files while they are written, and fails now and then; a failed call cannot be asked again.
    """
    root = pulumi.runtime.get_root_resource()
    return text if root is None else root.urn.apply(lambda _: text)


def _work_folder() -> Path:
    """A folder for files to upload. It lasts as long as this process, which outlives the uploads."""
    folder_of_seeds = tempfile.TemporaryDirectory(prefix="kumiai-seeds-")
    atexit.register(folder_of_seeds.cleanup)
    return Path(folder_of_seeds.name)
