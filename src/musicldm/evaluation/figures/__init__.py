"""Figures of a report, a file for each of its sections: metrics over the clips of folders."""
