"""`python -m provider_tree.nova install | uninstall`."""

import sys

from provider_tree.nova import install, uninstall

USAGE = """\
Usage: python -m provider_tree.nova install | uninstall

  install    lets Nova in this Python environment use provider-tree's ProviderTree
  uninstall  lets it use its own again"""


def main(arguments: list[str]) -> int:
    """Does what the command line says; returns the exit code."""
    commands = {"install": (install, "made"), "uninstall": (uninstall, "removed")}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(USAGE, file=sys.stderr)
        return 2
    command, done = commands[arguments[0]]
    try:
        files = command()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in files:
        print(f"{done} {file}")
    if not files:
        print("nothing was installed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
