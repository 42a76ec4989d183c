// Errors of the core; napi/ makes an InnerloopError of the code.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace innerloop {

struct Error : std::runtime_error {
  Error(std::string code, const std::string& what) : std::runtime_error(what), code(std::move(code)) {}
  std::string code;
};

struct Aborted : Error {
  Aborted() : Error("ABORTED", "the operation was aborted") {}
};

// Thrown for a loss or gradient that is not finite; `task` is its position in the batch, −1 if it is not that of one
// task.
struct Diverged : Error {
  Diverged(std::int64_t task, const std::string& what) : Error("DIVERGED", what), task(task) {}
  std::int64_t task;
};

inline void require(bool condition, const char* what) {
  if (!condition) throw Error("INVALID_OPTION", what);
}

}  // namespace innerloop
