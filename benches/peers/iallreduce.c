// MPI_Iallreduce in place over two ranks, as any MPI library does it: the measurement of
// src/collectives/between_hosts.rs for a library that tenk is not built with.
//   iallreduce NUM_VALUES WARM_UP_CALLS COUNTED_CALLS WORK_VALUES
// Rank 0 prints one line of JSON.
#include <math.h>
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static float *values;
static int num_values, counted_calls, work_values;

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// With a pause between two looks, as the trainer's thread of MPI waits while others compute.
static void sum(int asleep) {
    MPI_Request request;
    MPI_Iallreduce(MPI_IN_PLACE, values, num_values, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    for (int done = 0; !done;) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (asleep && !done) nanosleep(&(struct timespec){0, 50000}, NULL);
    }
}

static void *compute(void *passes) {
    volatile float *work = calloc((size_t)work_values, sizeof(float));
    if (!work) abort();
    for (long pass = *(long *)passes; pass > 0; pass--)
        for (int i = 0; i < work_values; i++) work[i] = work[i] * 0.999f + 0.001f;
    free((void *)work);
    return NULL;
}

// Bytes sent over all interfaces but the loopback (proc(5), net/dev).
static double link_bytes(void) {
    FILE *file = fopen("/proc/self/net/dev", "r");
    char line[512], name[64];
    double total = 0, sent;
    if (!file) return NAN;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, " %63[^:]: %*s %*s %*s %*s %*s %*s %*s %*s %lf", name, &sent) == 2 && strcmp(name, "lo"))
            total += sent;
    fclose(file);
    return total;
}

enum what { SUMS, SUMS_ASLEEP, COMPUTING, BOTH };

static double timed(enum what what, long passes) {
    MPI_Barrier(MPI_COMM_WORLD);
    double begun = seconds(CLOCK_MONOTONIC);
    for (int call = 0; call < counted_calls; call++) {
        pthread_t thread;
        if (what == COMPUTING) compute(&passes);
        if (what == BOTH) pthread_create(&thread, NULL, compute, &passes);
        if (what != COMPUTING) sum(what != SUMS);
        if (what == BOTH) pthread_join(thread, NULL);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    return (seconds(CLOCK_MONOTONIC) - begun) / counted_calls;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    num_values = atoi(argv[1]);
    int warm_up_calls = atoi(argv[2]);
    counted_calls = atoi(argv[3]);
    work_values = atoi(argv[4]);
    int rank, provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    values = malloc(sizeof(float) * (size_t)num_values);
    if (!values) abort();
    for (int i = 0; i < num_values; i++) values[i] = 1;
    for (int call = 0; call < warm_up_calls; call++) sum(0);

    double bytes = link_bytes(), on_core = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double alone = timed(SUMS, 0);
    double largest[3] = {(seconds(CLOCK_PROCESS_CPUTIME_ID) - on_core) / counted_calls,
                         (link_bytes() - bytes) / counted_calls, 0};
    on_core = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double asleep = timed(SUMS_ASLEEP, 0);
    largest[2] = (seconds(CLOCK_PROCESS_CPUTIME_ID) - on_core) / counted_calls;
    long trial = 2000;
    MPI_Barrier(MPI_COMM_WORLD);
    double begun = seconds(CLOCK_MONOTONIC);
    compute(&trial);
    double rate = (double)trial / (seconds(CLOCK_MONOTONIC) - begun);
    MPI_Allreduce(MPI_IN_PLACE, &rate, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
    long passes = (long)fmax(rate * alone, 1);
    double computing = timed(COMPUTING, passes), both = timed(BOTH, passes);

    float expected = ldexpf(1, warm_up_calls + 3 * counted_calls);
    for (int i = 0; i < num_values; i++)
        if (values[i] != expected) {
            fprintf(stderr, "the sum is wrong\n");
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    MPI_Allreduce(MPI_IN_PLACE, largest, 3, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    double gb = 4.0 * num_values / 1e9;
    if (rank == 0)
        printf("{\"rate\": %.17g, \"core_seconds_per_gb\": %.17g, \"rate_asleep\": %.17g, "
               "\"core_seconds_per_gb_asleep\": %.17g, \"hidden\": %.17g, \"link_bytes_per_byte\": %.17g}\n",
               gb / alone, largest[0] / gb, gb / asleep, largest[2] / gb, (alone + computing - both) / alone, largest[1] / (gb * 1e9));
    MPI_Finalize();
    return 0;
}
