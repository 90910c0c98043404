"""The command `musicldm`: one file a command, each of which imports its work only when it is called."""
