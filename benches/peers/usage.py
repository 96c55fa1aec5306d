"""Runs a command and prints what it and its children took: {"peak_bytes": the most memory that one
process held, "processor_seconds": of all, "last_line": that it printed}. Arguments: the command."""
import json
import resource
import subprocess
import sys

printed = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True).stdout
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "peak_bytes": used.ru_maxrss * 1024,
    "processor_seconds": used.ru_utime + used.ru_stime,
    "last_line": printed.rstrip("\n").rpartition("\n")[2],
}))
