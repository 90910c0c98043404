"""`python -m musicldm` is the command `musicldm`."""

from musicldm.cli.main import run

if __name__ == "__main__":
    run()
