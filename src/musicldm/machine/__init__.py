"""The machine: devices, memory, memory layouts, work in parallel."""
