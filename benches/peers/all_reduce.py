"""GB/s of torch.distributed's all_reduce of 64 MiB f32 over two processes of this host, backend gloo."""
import json
import os
import sys
import tempfile
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WORLD, VALUES, WARM_UP, COUNTED = 2, 16 << 20, 3, 20


def rank_main(rank, file, rates):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=WORLD)
    values = torch.ones(VALUES)
    for _ in range(WARM_UP):
        dist.all_reduce(values)
    dist.barrier()
    begun = time.perf_counter()
    for _ in range(COUNTED):
        dist.all_reduce(values)
    seconds = (time.perf_counter() - begun) / COUNTED
    assert (values == float(WORLD) ** (WARM_UP + COUNTED)).all()
    if rank == 0:
        rates.put(values.nbytes / 1e9 / seconds)
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        rates = mp.get_context("spawn").SimpleQueue()
        mp.spawn(rank_main, (os.path.join(folder, "ranks"), rates), nprocs=WORLD)
        print(json.dumps({"rate": rates.get()}))
    sys.exit(0)
