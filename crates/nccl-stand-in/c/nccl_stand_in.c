/* A stand-in for NCCL, for tests on machines without a GPU. It is not NCCL and computes nothing
 * on a GPU: "GPUs" are numbers, their memory is host memory, a stream is a thread that does what
 * it was given in order, a rank may be a thread. Besides NCCL's functions it has those of the CUDA
 * runtime and of libtorch that order streams.
 *
 * It is as unkind as the real ones may be. Nothing happens in the call that asks for it. A sum
 * takes its input when its stream comes to it, poisons the memory (NaN), dawdles, waits for the
 * other ranks, and only then writes the result. Communicators must not block; while one is in
 * progress it refuses every call but the question for its state, and a sum is in its stream only
 * after that question was answered with success. Calls that NCCL forbids are written into the
 * trace of the GPU as MISUSE.
 *
 * A thread keeps its last error, as in the CUDA runtime, until it takes it with cudaGetLastError. A
 * thread that makes another call, gives a kernel to a stream as libtorch does, or ends with an error
 * that it has not taken is written into the trace too: libtorch's next kernel would throw it.
 *
 * With -DREAL_HEADERS the same file is compiled against NCCL's and CUDA's own headers, which
 * refuse a function whose type is not theirs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef REAL_HEADERS
#include <cuda_runtime_api.h>
#include <nccl.h>
#else
#define CUDARTAPI
typedef int ncclResult_t, ncclRedOp_t, ncclDataType_t, cudaError_t;
typedef struct ncclComm *ncclComm_t;
typedef struct { char internal[128]; } ncclUniqueId;
typedef struct { size_t size; unsigned magic, version; int blocking; } ncclConfig_t;
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
struct cudaPointerAttributes { int type, device; void *devicePointer, *hostPointer; long reserved[8]; };
struct cudaDeviceProp { char name[256]; struct { char bytes[16]; } uuid; char rest[736]; };
enum { ncclSuccess, ncclUnhandledCudaError, ncclSystemError, ncclInternalError, ncclInvalidArgument, ncclInvalidUsage, ncclRemoteError, ncclInProgress };
enum { ncclSum = 0, ncclFloat32 = 7, ncclFloat64 = 8, ncclBfloat16 = 9 };
enum { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidDevice = 101, cudaErrorInvalidResourceHandle = 400, cudaErrorNotReady = 600, cudaErrorIllegalAddress = 700 };
enum { cudaMemoryTypeUnregistered = 0, cudaMemoryTypeDevice = 2 };
#endif

#ifndef STAND_IN_VERSION
#define STAND_IN_VERSION 22809
#endif
#define GPUS 4096
#define RANKS 64
#define VISIBLE 16
#define TRACE 16384
/* A sum dawdles for this long between poisoning its memory and meeting the other ranks. */
#define DAWDLE_US 2000
/* A call on a communicator is through when it was asked about so often. */
#define ASKED 2

/* What a test may make go wrong on one GPU. The numbers are also in src/lib.rs. */
enum fault { NONE, INIT_FAILS, INIT_NEVER_ENDS, SUM_IS_REFUSED, SUM_BREAKS, SUM_HANGS, ABORT_HANGS, FINALIZE_NEVER_ENDS, NO_STREAM,
             SUM_AND_ABORT_HANG, SUM_DOES_NOT_RETURN, QUERY_DOES_NOT_RETURN, QUERY_FAILS, HOST_MEMORY_IS_INVALID, DESTROY_DOES_NOT_RETURN };

enum kind { RECORD, WAIT, FILL, COPY, SUM };

struct op {
  enum kind kind;
  struct op *next;
  cudaEvent_t event;
  unsigned long generation;
  const void *from;
  void *to;
  size_t count;
  float value;
  unsigned delay_us;
  ncclComm_t comm;
  ncclDataType_t type;
  unsigned long sequence;
  bool hangs, breaks;
  cudaStream_t stream;
};

struct CUstream_st {
  int device;
  const char *name;
  struct op *first, **end;
  unsigned long given, done;
};

struct CUevent_st {
  int device;
  unsigned long recorded, completed;
};

/* One sum of all ranks. */
struct meeting {
  struct meeting *next;
  unsigned long sequence;
  size_t count;
  ncclDataType_t type;
  int arrived, taken;
  void *parts[RANKS];
};

struct world {
  struct world *next;
  ncclUniqueId id;
  int ranks, joined;
  bool mixed_up;
  struct meeting *meetings;
};

struct ncclComm {
  struct world *world;
  int rank, device, asked;
  ncclResult_t state, trouble;
  enum { JOINING, READY, LAUNCHING, FINALIZING, FINALIZED, GONE } phase;
  struct op *launching;
  unsigned long sums;
  int going_on;
  bool aborted;
};

struct gpu {
  cudaStream_t current, own;
  enum fault fault;
  unsigned long fault_at;
  /* An abort hangs: from here on no call about this GPU returns. */
  bool wedged;
  /* Whose memory and arithmetic this number is, from 1; 0: its own. */
  int twin;
  char trace[TRACE];
  size_t traced;
};

struct range { struct range *next; const char *start; size_t bytes; int device; };

/* One lock and one signal for everything: simple, and nothing here has to be fast. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct gpu gpus[GPUS];
static struct world *worlds;
static struct range *ranges;
static unsigned long ids;
static _Thread_local int selected;
static _Thread_local cudaError_t last_error;
static _Thread_local int visible[VISIBLE], num_visible; /* 0: all */
static _Thread_local int group_depth;
static _Thread_local struct op *group;

static void trace(int device, const char *format, ...) {
  struct gpu *gpu = &gpus[device];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(gpu->trace + gpu->traced, TRACE - gpu->traced, format, arguments);
  va_end(arguments);
  if (length > 0 && gpu->traced + (size_t)length + 1 < TRACE) {
    gpu->traced += (size_t)length;
    gpu->trace[gpu->traced++] = '\n';
    gpu->trace[gpu->traced] = 0;
  }
}

/* ---- errors of the CUDA runtime ---- */

static pthread_key_t ends_with_error;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_ends(void *argument) {
  (void)argument;
  if (!last_error) return;
  pthread_mutex_lock(&lock);
  trace(selected, "MISUSE a thread ends with error %d", last_error);
  pthread_mutex_unlock(&lock);
}

static void make_key(void) { pthread_key_create(&ends_with_error, thread_ends); }

/* What a call of the runtime returns; a thread keeps the last that is no success. */
static cudaError_t result(cudaError_t code) {
  if (code != cudaSuccess) {
    pthread_once(&once, make_key);
    pthread_setspecific(ends_with_error, &ends_with_error);
    last_error = code;
  }
  return code;
}

/* The lock is held. Where a call begins, or a kernel of libtorch's: nothing may be left of an earlier one. */
static void begins(const char *call) {
  if (last_error) trace(selected, "MISUSE %s with error %d of an earlier call", call, last_error);
  last_error = cudaSuccess;
}

static void begin(const char *call) {
  pthread_mutex_lock(&lock);
  begins(call);
  while (gpus[selected].wedged) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

cudaError_t CUDARTAPI cudaGetLastError(void) {
  cudaError_t code = last_error;
  last_error = cudaSuccess;
  return code;
}

static bool has_fault(int device, enum fault fault, unsigned long at) {
  return gpus[device].fault == fault && gpus[device].fault_at == at;
}

static size_t size_of(ncclDataType_t type) {
  return type == ncclFloat32 ? 4 : type == ncclFloat64 ? 8 : 2;
}

static float of_bf16(uint16_t half) {
  uint32_t word = (uint32_t)half << 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

/* To the nearest, to even where two are as near. */
static uint16_t to_bf16(float value) {
  uint32_t word;
  memcpy(&word, &value, sizeof word);
  return (uint16_t)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
}

static void add(void *sum, const void *part, size_t count, ncclDataType_t type) {
  for (size_t i = 0; i < count; i++) {
    if (type == ncclFloat32) ((float *)sum)[i] += ((const float *)part)[i];
    else if (type == ncclFloat64) ((double *)sum)[i] += ((const double *)part)[i];
    else ((uint16_t *)sum)[i] = to_bf16(of_bf16(((uint16_t *)sum)[i]) + of_bf16(((const uint16_t *)part)[i]));
  }
}

/* ---- sums, in the thread of their stream ---- */

/* The lock is held. */
static struct meeting *meet(struct world *world, const struct op *op) {
  for (struct meeting *meeting = world->meetings; meeting; meeting = meeting->next)
    if (meeting->sequence == op->sequence) {
      if (meeting->count != op->count || meeting->type != op->type) world->mixed_up = true;
      return meeting;
    }
  struct meeting *meeting = calloc(1, sizeof *meeting);
  meeting->sequence = op->sequence;
  meeting->count = op->count;
  meeting->type = op->type;
  meeting->next = world->meetings;
  return world->meetings = meeting;
}

static void run_sum(const struct op *op) {
  ncclComm_t comm = op->comm;
  struct world *world = comm->world;
  size_t bytes = op->count * size_of(op->type);
  void *own = malloc(bytes);
  memcpy(own, op->from, bytes);
  memset(op->to, 0xff, bytes);
  usleep(DAWDLE_US);
  pthread_mutex_lock(&lock);
  while (op->hangs && (!comm->aborted || gpus[comm->device].wedged)) pthread_cond_wait(&changed, &lock);
  struct meeting *meeting = meet(world, op);
  meeting->parts[comm->rank] = own;
  meeting->arrived += !comm->aborted;
  pthread_cond_broadcast(&changed);
  while (!comm->aborted && !world->mixed_up && meeting->arrived < world->ranks) pthread_cond_wait(&changed, &lock);
  bool complete = !world->mixed_up && meeting->arrived >= world->ranks;
  pthread_mutex_unlock(&lock);
  if (complete) {
    /* In the order of the ranks, as the backend does that tests compare with. */
    memcpy(op->to, meeting->parts[0], bytes);
    for (int rank = 1; rank < world->ranks; rank++) add(op->to, meeting->parts[rank], op->count, op->type);
  }
  pthread_mutex_lock(&lock);
  if (complete && ++meeting->taken == world->ranks)
    for (int rank = 0; rank < world->ranks; rank++) free(meeting->parts[rank]);
  comm->going_on--;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

/* ---- streams ---- */

static void run(struct op *op) {
  switch (op->kind) {
    case RECORD:
      pthread_mutex_lock(&lock);
      if (op->event->completed < op->generation) op->event->completed = op->generation;
      pthread_mutex_unlock(&lock);
      break;
    case WAIT:
      pthread_mutex_lock(&lock);
      while (op->event->completed < op->generation) pthread_cond_wait(&changed, &lock);
      pthread_mutex_unlock(&lock);
      break;
    case FILL:
      usleep(op->delay_us);
      for (size_t i = 0; i < op->count; i++) ((float *)op->to)[i] = op->value;
      break;
    case COPY: memcpy(op->to, op->from, op->count * sizeof(float)); break;
    case SUM: run_sum(op); break;
  }
}

static void *serve(void *argument) {
  cudaStream_t stream = argument;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (!stream->first) pthread_cond_wait(&changed, &lock);
    struct op *op = stream->first;
    pthread_mutex_unlock(&lock);
    run(op);
    pthread_mutex_lock(&lock);
    stream->first = op->next;
    if (!stream->first) stream->end = &stream->first;
    stream->done++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    free(op);
  }
  return NULL;
}

/* The lock is held, also in what follows without a leading `cuda`, `nccl` or `stand_in`. */
static void give(cudaStream_t stream, struct op op) {
  struct op *copy = malloc(sizeof *copy);
  *copy = op;
  copy->next = NULL;
  *stream->end = copy;
  stream->end = &copy->next;
  stream->given++;
  pthread_cond_broadcast(&changed);
}

static cudaStream_t stream_of(int device, const char *name) {
  cudaStream_t *place = name[0] == 'c' ? &gpus[device].current : &gpus[device].own;
  if (!*place) {
    cudaStream_t stream = calloc(1, sizeof *stream);
    stream->device = device;
    stream->name = name;
    stream->end = &stream->first;
    *place = stream;
    pthread_t thread;
    pthread_create(&thread, NULL, serve, stream);
    pthread_detach(thread);
  }
  return *place;
}

/* Null is the current stream of the GPU that the thread has selected. */
static cudaStream_t resolve(cudaStream_t stream) { return stream ? stream : stream_of(selected, "current"); }

/* The GPU that the calling thread means by a number; -1: none. */
static int meant(int device) {
  if (num_visible > 0) return device >= 0 && device < num_visible ? visible[device] : -1;
  return device >= 0 && device < GPUS ? device : -1;
}

cudaError_t CUDARTAPI cudaSetDevice(int device) {
  if (meant(device) < 0) return result(cudaErrorInvalidDevice);
  selected = meant(device);
  begin("cudaSetDevice");
  return cudaSuccess;
}

/* The number that the calling thread has for a GPU. */
static int number_of(int gpu) {
  for (int i = 0; i < num_visible; i++)
    if (visible[i] == gpu) return i;
  return num_visible > 0 ? -1 : gpu;
}

/* A name and a UUID; the rest is left alone. */
cudaError_t CUDARTAPI cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
  begin("cudaGetDeviceProperties");
  if (meant(device) < 0) return result(cudaErrorInvalidDevice);
  int number = meant(device);
  if (gpus[number].twin) number = gpus[number].twin - 1;
  snprintf(properties->name, sizeof properties->name, "stand-in");
  memset(&properties->uuid, number == GPUS - 1 ? 0 : 0x5a, sizeof properties->uuid);
  if (number < GPUS - 1) memcpy(properties->uuid.bytes + 12, &number, sizeof number);
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *pointer) {
  begin("cudaPointerGetAttributes");
  pthread_mutex_lock(&lock);
  attributes->type = cudaMemoryTypeUnregistered;
  attributes->device = -1;
  for (struct range *range = ranges; range; range = range->next)
    if ((const char *)pointer >= range->start && (const char *)pointer < range->start + range->bytes) {
      attributes->type = cudaMemoryTypeDevice;
      attributes->device = number_of(range->device < 0 ? selected : range->device);
      break;
    }
  bool invalid = attributes->type == cudaMemoryTypeUnregistered && gpus[selected].fault == HOST_MEMORY_IS_INVALID;
  pthread_mutex_unlock(&lock);
  return invalid ? result(cudaErrorInvalidValue) : cudaSuccess;
}

cudaError_t CUDARTAPI cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags) {
  (void)flags;
  begin("cudaEventCreateWithFlags");
  *event = calloc(1, sizeof **event);
  (*event)->device = selected;
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  begin("cudaEventRecord");
  pthread_mutex_lock(&lock);
  stream = resolve(stream);
  bool fits = event->device == stream->device;
  if (fits) {
    trace(stream->device, "record in %s", stream->name);
    give(stream, (struct op){.kind = RECORD, .event = event, .generation = ++event->recorded});
  }
  pthread_mutex_unlock(&lock);
  return fits ? cudaSuccess : result(cudaErrorInvalidResourceHandle);
}

cudaError_t CUDARTAPI cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  (void)flags;
  begin("cudaStreamWaitEvent");
  pthread_mutex_lock(&lock);
  stream = resolve(stream);
  trace(stream->device, "wait in %s", stream->name);
  give(stream, (struct op){.kind = WAIT, .event = event, .generation = event->recorded});
  pthread_mutex_unlock(&lock);
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaEventQuery(cudaEvent_t event) {
  begin("cudaEventQuery");
  pthread_mutex_lock(&lock);
  while (gpus[event->device].fault == QUERY_DOES_NOT_RETURN) pthread_cond_wait(&changed, &lock);
  bool reached = event->completed >= event->recorded;
  bool fails = gpus[event->device].fault == QUERY_FAILS;
  pthread_mutex_unlock(&lock);
  return fails ? result(cudaErrorIllegalAddress) : reached ? cudaSuccess : result(cudaErrorNotReady);
}

const char *CUDARTAPI cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorInvalidDevice ? "stand-in: invalid device ordinal" : "stand-in: an error";
}

/* ---- libtorch ---- */

int32_t aoti_torch_get_current_cuda_stream(int32_t device, void **stream) {
  if (meant(device) < 0 || gpus[meant(device)].fault == NO_STREAM) return 1;
  *stream = NULL; /* the default stream, as libtorch has it until somebody sets another one */
  return 0;
}

int32_t torch_get_cuda_stream_from_pool(bool high_priority, int32_t device, void **stream) {
  (void)high_priority;
  if (meant(device) < 0) return 1;
  pthread_mutex_lock(&lock);
  *stream = stream_of(meant(device), "own");
  pthread_mutex_unlock(&lock);
  return 0;
}

/* ---- NCCL ---- */

ncclResult_t ncclGetVersion(int *version) {
  *version = STAND_IN_VERSION;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  memset(id, 0x5a, sizeof *id);
  pthread_mutex_lock(&lock);
  snprintf(id->internal, sizeof id->internal, "stand-in %d %lu", getpid(), ++ids);
  pthread_mutex_unlock(&lock);
  return ncclSuccess;
}

static struct world *world_of(const ncclUniqueId *id, int ranks) {
  for (struct world *world = worlds; world; world = world->next)
    if (!memcmp(&world->id, id, sizeof *id)) return world;
  struct world *world = calloc(1, sizeof *world);
  world->id = *id;
  world->ranks = ranks;
  world->next = worlds;
  return worlds = world;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
  if (config->magic != 0xcafebeef || config->size < 20 || config->version < 21400) return ncclInvalidArgument;
  if (ranks < 1 || ranks > RANKS || rank < 0 || rank >= ranks) return ncclInvalidArgument;
  pthread_mutex_lock(&lock);
  if (config->blocking != 0) trace(selected, "MISUSE a communicator that blocks");
  trace(selected, "init rank %d of %d", rank, ranks);
  ncclComm_t made = calloc(1, sizeof *made);
  made->world = world_of(&id, ranks);
  made->rank = rank;
  made->device = selected;
  made->state = ncclInProgress;
  made->phase = JOINING;
  if (gpus[selected].fault == INIT_FAILS) {
    made->trouble = ncclSystemError;
    result(cudaErrorInvalidValue); /* as NCCL leaves it when a call of the runtime has failed */
  }
  else if (gpus[selected].fault != INIT_NEVER_ENDS) made->world->joined++;
  *comm = made;
  pthread_mutex_unlock(&lock);
  return ncclInProgress;
}

/* Whether the call that is in progress is through by now. */
static bool is_through(ncclComm_t comm) {
  if (++comm->asked < ASKED) return false;
  switch (comm->phase) {
    case JOINING: return comm->world->joined == comm->world->ranks;
    case FINALIZING: return comm->going_on == 0 && gpus[comm->device].fault != FINALIZE_NEVER_ENDS;
    default: return true;
  }
}

static void go_on(ncclComm_t comm) {
  bool breaks = false;
  for (struct op *op = comm->launching; op;) {
    struct op *next = op->next;
    trace(comm->device, "launch %zu", op->count);
    comm->going_on++;
    give(op->stream, *op);
    breaks |= op->breaks;
    free(op);
    op = next;
  }
  comm->launching = NULL;
  comm->phase = comm->phase == FINALIZING ? FINALIZED : READY;
  comm->state = ncclSuccess;
  comm->asked = 0;
  /* It comes later: whoever asks again is told. */
  if (breaks) comm->trouble = ncclRemoteError;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *state) {
  pthread_mutex_lock(&lock);
  if (comm->phase == GONE) trace(comm->device, "MISUSE asked after its end");
  if (comm->world->mixed_up) comm->trouble = ncclInvalidUsage;
  if (comm->trouble) {
    comm->state = comm->trouble;
    trace(comm->device, "tells an error");
  } else if (comm->state == ncclInProgress && is_through(comm)) go_on(comm);
  *state = comm->state;
  pthread_mutex_unlock(&lock);
  return ncclSuccess;
}

/* Every call but the question for the state needs a communicator that is through with the last. */
static bool is_ready(ncclComm_t comm, const char *call) {
  if (comm->phase == READY) return true;
  trace(comm->device, "MISUSE %s while not ready", call);
  return false;
}

ncclResult_t ncclGroupStart(void) {
  group_depth++;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  ncclResult_t answer = ncclSuccess;
  pthread_mutex_lock(&lock);
  unsigned long number = ++comm->sums;
  while (has_fault(comm->device, SUM_DOES_NOT_RETURN, number)) pthread_cond_wait(&changed, &lock);
  if (group_depth == 0) trace(comm->device, "MISUSE a sum outside of a group");
  if (comm->device != resolve(stream)->device) trace(comm->device, "MISUSE a stream of another GPU");
  if (!is_ready(comm, "a sum")) answer = ncclInvalidArgument;
  else if (operation != ncclSum || has_fault(comm->device, SUM_IS_REFUSED, number)) {
    answer = ncclUnhandledCudaError;
    result(cudaErrorInvalidValue);
  } else {
    trace(comm->device, "sum %zu", count);
    struct op *op = calloc(1, sizeof *op);
    bool breaks = has_fault(comm->device, SUM_BREAKS, number);
    *op = (struct op){.kind = SUM, .from = from, .to = to, .count = count, .type = type, .comm = comm,
                      .sequence = number, .stream = resolve(stream), .next = group, .breaks = breaks,
                      .hangs = breaks || has_fault(comm->device, SUM_HANGS, number) || has_fault(comm->device, SUM_AND_ABORT_HANG, number)};
    group = op;
  }
  pthread_mutex_unlock(&lock);
  return answer;
}

ncclResult_t ncclGroupEnd(void) {
  if (--group_depth > 0 || !group) return ncclSuccess;
  pthread_mutex_lock(&lock);
  struct op *op = group;
  ncclComm_t comm = op->comm;
  group = NULL;
  comm->launching = op;
  comm->phase = LAUNCHING;
  comm->state = ncclInProgress;
  pthread_mutex_unlock(&lock);
  return ncclInProgress;
}

#ifndef WITHOUT_FINALIZE
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  ncclResult_t answer = ncclInvalidArgument;
  pthread_mutex_lock(&lock);
  if (is_ready(comm, "finalize")) {
    trace(comm->device, "finalize");
    comm->phase = FINALIZING;
    comm->state = answer = ncclInProgress;
  }
  pthread_mutex_unlock(&lock);
  return answer;
}
#endif

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  pthread_mutex_lock(&lock);
  trace(comm->device, comm->phase == FINALIZED ? "destroy" : "MISUSE destroy of what is not finalized, or is gone");
  while (gpus[comm->device].fault == DESTROY_DOES_NOT_RETURN) pthread_cond_wait(&changed, &lock);
  comm->phase = GONE;
  pthread_mutex_unlock(&lock);
  return ncclSuccess;
}

/* Returns once nothing of the communicator goes on. Its memory stays, so that misuse is seen. */
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  pthread_mutex_lock(&lock);
  trace(comm->device, comm->phase == GONE ? "MISUSE abort of what is gone" : "abort");
  comm->phase = GONE;
  comm->aborted = true;
  gpus[comm->device].wedged = gpus[comm->device].fault == SUM_AND_ABORT_HANG;
  pthread_cond_broadcast(&changed);
  while (gpus[comm->device].fault == ABORT_HANGS || gpus[comm->device].wedged || comm->going_on > 0) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t code) {
  switch ((int)code) {
    case ncclUnhandledCudaError: return "stand-in: unhandled cuda error";
    case ncclSystemError: return "stand-in: unhandled system error";
    case ncclInvalidArgument: return "stand-in: invalid argument";
    case ncclInvalidUsage: return "stand-in: invalid usage";
    case ncclRemoteError: return "stand-in: remote process exited or there was a network error";
    default: return "stand-in: another error";
  }
}

const char *ncclGetLastError(ncclComm_t comm) {
  (void)comm;
  return "stand-in: its last words";
}

/* ---- for tests only ---- */

/* Memory of this GPU from here on; -1: of whichever GPU the thread that asks has selected. */
void stand_in_memory(int device, const void *start, size_t bytes) {
  struct range *range = calloc(1, sizeof *range);
  *range = (struct range){.start = start, .bytes = bytes, .device = device};
  pthread_mutex_lock(&lock);
  range->next = ranges;
  ranges = range;
  pthread_mutex_unlock(&lock);
}

void stand_in_fault(int device, int fault, unsigned long at) {
  pthread_mutex_lock(&lock);
  gpus[device].fault = fault;
  gpus[device].fault_at = at;
  pthread_mutex_unlock(&lock);
}

/* The number means the GPU of another number, as where two processes see one GPU by different numbers. */
void stand_in_twin(int device, int other) {
  pthread_mutex_lock(&lock);
  gpus[device].twin = other + 1;
  pthread_mutex_unlock(&lock);
}

/* What the calling thread numbers from 0, as a process does with CUDA_VISIBLE_DEVICES; none: all. */
void stand_in_visible(const int *devices, int count) {
  num_visible = count < VISIBLE ? count : VISIBLE;
  for (int i = 0; i < num_visible; i++) visible[i] = devices[i];
}

/* The GPU that the calling thread has selected. */
int stand_in_selected(void) { return selected; }

/* The calling thread's last error, which stays. */
int stand_in_last_error(void) { return last_error; }

/* At the end of the process a runtime may wait for its kernels, here for ever. */
static void wait_for_ever(void) { for (;;) pause(); }
void stand_in_hang_at_exit(void) { atexit(wait_for_ever); }

/* A kernel in the GPU's current stream that takes its time. */
void stand_in_fill(int device, float *to, size_t count, float value, unsigned delay_us) {
  pthread_mutex_lock(&lock);
  begins("a kernel");
  give(stream_of(device, "current"), (struct op){.kind = FILL, .to = to, .count = count, .value = value, .delay_us = delay_us});
  pthread_mutex_unlock(&lock);
}

void stand_in_copy(int device, const float *from, float *to, size_t count) {
  pthread_mutex_lock(&lock);
  begins("a kernel");
  give(stream_of(device, "current"), (struct op){.kind = COPY, .from = from, .to = to, .count = count});
  pthread_mutex_unlock(&lock);
}

/* Waits until the GPU's current stream has done what it was given. */
void stand_in_synchronize(int device) {
  pthread_mutex_lock(&lock);
  cudaStream_t stream = stream_of(device, "current");
  unsigned long given = stream->given;
  while (stream->done < given) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

/* What was asked of the GPU, a line a call. Null-terminated, cut to `capacity`. */
void stand_in_trace(int device, char *out, size_t capacity) {
  pthread_mutex_lock(&lock);
  snprintf(out, capacity, "%s", gpus[device].trace);
  pthread_mutex_unlock(&lock);
}
