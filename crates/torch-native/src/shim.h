// How a function of the shim reports an exception: as a string that Rust frees with tenk_free.
#pragma once

#include <cstring>
#include <exception>

inline char *copy_message(const char *message) {
  char *copy = strdup(message);
  return copy != nullptr ? copy : strdup("out of memory");
}

template <typename Body>
char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const std::exception &error) {
    return copy_message(error.what());
  } catch (...) {
    return copy_message("unknown C++ exception");
  }
}
