// Counts the operators that libtorch runs, by name, on all threads of the process.
#include "shim.h"

#include <ATen/record_function.h>

#include <map>
#include <mutex>
#include <string>

namespace {

using VisitFunction = void (*)(void *state, const char *name, uint64_t count);

struct Counts {
  std::mutex lock;
  std::map<std::string, uint64_t> of_name;
};

Counts &counts() {
  static Counts all;
  return all;
}

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction &function) {
  std::lock_guard<std::mutex> hold(counts().lock);
  counts().of_name[function.name()]++;
  return nullptr;
}

}  // namespace

extern "C" {

char *tenk_count_operators(uint64_t *handle) {
  return guarded([&] {
    std::lock_guard<std::mutex> hold(counts().lock);
    counts().of_name.clear();
    auto callback = at::RecordFunctionCallback(count).scopes({at::RecordScope::FUNCTION});
    *handle = at::addGlobalCallback(callback);
  });
}

char *tenk_stop_counting(uint64_t handle) {
  return guarded([&] { at::removeCallback(handle); });
}

char *tenk_counted_operators(VisitFunction visit, void *state) {
  return guarded([&] {
    std::lock_guard<std::mutex> hold(counts().lock);
    for (const auto &[name, number] : counts().of_name) visit(state, name.c_str(), number);
  });
}

}  // extern "C"
