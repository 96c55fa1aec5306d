// Teams of OpenMP threads, by which libgomp decides how long its threads spin (see waiting.rs).
#include <omp.h>

extern "C" {

// Opens a team of the calling thread, which keeps it until it ends. Returns how many threads it has.
int tenk_open_team(int threads) {
  int opened = 1;
#pragma omp parallel num_threads(threads)
  {
#pragma omp master
    opened = omp_get_num_threads();
  }
  return opened;
}

int tenk_num_processors() { return omp_get_num_procs(); }

}  // extern "C"
